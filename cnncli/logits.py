"""What logits mean: the one module that turns a network's scores into answers.

The logits (N, K) of most networks tell apart K classes of which exactly one is right: they are inputs of a softmax. A network
with tasks (`records.tasks`) has the logits of all tasks side by side, and each task's are inputs of a softmax, or of a sigmoid
each where several classes can be right.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cnncli.records.tasks import AnswerKind, Task, columns_of, kinds_of

Float = TypeVar("Float", np.float32, np.float64)

ONNX_OPERATORS: Mapping[AnswerKind, tuple[str, Mapping[str, int]]] = {
    AnswerKind.ONE: ("Softmax", {"axis": 1}),
    AnswerKind.SEVERAL: ("Sigmoid", {}),
}
"""The ONNX operator that computes the `probabilities` of a task, with its attributes."""

_TINY = float(np.finfo(np.float32).tiny)
"""Replaces a probability of 0 where its logarithm is needed."""


def probabilities(logits: NDArray[Float], tasks: Sequence[Task] = ()) -> NDArray[Float]:
    """Probabilities (N, K) of logits (N, K): a softmax of each row, or of each task's part of it; a sigmoid where a task says so."""
    if not tasks:
        return _softmax(logits)
    return np.concatenate(
        [
            _KINDS[task.kind](logits[:, columns])
            for task, columns in zip(tasks, columns_of(tasks), strict=True)
        ],
        axis=1,
    )


def _softmax(logits: NDArray[Float]) -> NDArray[Float]:
    """exp(x_k) / sum of exp(x_j) in each row, shifted by the maximum so that nothing overflows."""
    exponentials: NDArray[Float] = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[Float] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares


def _sigmoid(logits: NDArray[Float]) -> NDArray[Float]:
    """1 / (1 + exp(-x)), in a form that neither overflows nor loses digits."""
    shares: NDArray[Float] = np.exp(-np.logaddexp(np.zeros((), logits.dtype), -logits))
    return shares


_KINDS = {AnswerKind.ONE: _softmax, AnswerKind.SEVERAL: _sigmoid}


def log_probabilities(logits: NDArray[Float]) -> NDArray[Float]:
    """Logarithm of the softmax of each row of (N, K), exact also where the softmax itself is 0."""
    shifted: NDArray[Float] = logits - logits.max(axis=1, keepdims=True)
    log_shares: NDArray[Float] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_shares


def energies(logits: NDArray[np.float32], tasks: Sequence[Task] = ()) -> NDArray[np.float32]:
    """Energies (N,) of logits (N, K), low where the classes explain an image well; of several tasks, their sum.

    -log of the sum of exp(x) (W. Liu et al., "Energy-based Out-of-distribution Detection", 2020); where several classes can be right,
    -sum of log(1 + exp(x)) (H. Wang et al., "Can multi-label classification networks know what they don't know?", 2021).
    """
    columns = columns_of(tasks) or [slice(None)]
    sums = [
        np.logaddexp(0, logits[:, part]).sum(axis=1)
        if kind is AnswerKind.SEVERAL
        else np.logaddexp.reduce(logits[:, part], axis=1)
        for part, kind in zip(columns, kinds_of(tasks), strict=True)
    ]
    total: NDArray[np.float32] = np.sum(sums, axis=0, dtype=np.float32)
    return -total


def logits_of(shares: NDArray[np.float32], tasks: Sequence[Task] = ()) -> NDArray[np.float32]:
    """Logits (N, K) whose `probabilities` are `shares` (N, K)."""
    logits: NDArray[np.float32] = np.log(np.maximum(shares, _TINY))
    for task, columns in zip(tasks, columns_of(tasks), strict=True):
        if task.kind is AnswerKind.SEVERAL:
            logits[:, columns] -= np.log(np.maximum(1 - shares[:, columns], _TINY))
    return logits


def top_classes(shares: NDArray[Float], count: int) -> NDArray[np.intp]:
    """Indices (N, count) of the most probable classes of (N, K), best first; ties are in the order of their indices."""
    return np.argsort(-shares, axis=1, kind="stable")[:, :count]


def reach_thresholds(shares: NDArray[np.float32], thresholds: Sequence[float]) -> NDArray[np.bool_]:
    """Which probabilities (..., K) are not below the thresholds (K,) of their classes, both in the precision of probabilities."""
    return shares >= np.array(thresholds, shares.dtype)


def predicted_classes(scores: NDArray[Float]) -> NDArray[np.intp]:
    """Index of the highest of K scores, logits or probabilities, in each row of (N, K); the lowest index of equals."""
    classes: NDArray[np.intp] = scores.argmax(axis=-1)
    return classes


def cross_entropy(logits: NDArray[np.float32], labels: NDArray[np.intp]) -> float:
    """Mean over N images of -log p(label), in nats, from logits (N, K) and labels (N,)."""
    label_logs = log_probabilities(logits.astype(np.float64))[np.arange(len(labels)), labels]
    return float(
        np.abs(label_logs).mean()
    )  # none is above 0; a minus sign would make a loss of 0 print as -0


def binary_cross_entropy(logits: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Mean over N images and K classes of -log p(right answer), in nats, from logits and targets (N, K), 1 where a class is right."""
    values = logits.astype(np.float64)
    return float((np.logaddexp(0, values) - targets * values).mean())


def log_loss(label_probabilities: NDArray[np.float64]) -> float:
    """Mean over N images of -log p(label), in nats, from the probabilities (N,) of the true classes."""
    return float(-np.log(np.maximum(label_probabilities, _TINY)).mean())
