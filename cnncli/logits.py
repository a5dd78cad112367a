"""What logits mean: the one module that turns a network's scores into answers.

Every network here has a single task, to tell apart K classes of which exactly one is correct, so its logits (N, K) are
inputs of a softmax. To give logits another meaning (independent labels, several tasks), start here.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Float = TypeVar("Float", np.float32, np.float64)

ONNX_OPERATOR = "Softmax"
"""The ONNX operator that computes `probabilities`, along axis 1."""

_TINY = float(np.finfo(np.float32).tiny)
"""Replaces a probability of 0 where its logarithm is needed."""


def probabilities(logits: NDArray[Float]) -> NDArray[Float]:
    """Softmax of each row of (N, K): exp(x_k) / sum of exp(x_j), shifted by the maximum so that nothing overflows."""
    exponentials: NDArray[Float] = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[Float] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares


def log_probabilities(logits: NDArray[Float]) -> NDArray[Float]:
    """Logarithm of the softmax of each row of (N, K), exact also where the softmax itself is 0."""
    shifted: NDArray[Float] = logits - logits.max(axis=1, keepdims=True)
    log_shares: NDArray[Float] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_shares


def logits_of(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (N, K) whose `probabilities` are `shares` (N, K)."""
    return np.log(np.maximum(shares, _TINY))


def top_classes(shares: NDArray[Float], count: int) -> NDArray[np.intp]:
    """Indices (N, count) of the most probable classes of (N, K), best first; ties are in the order of their indices."""
    return np.argsort(-shares, axis=1, kind="stable")[:, :count]


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


def log_loss(label_probabilities: NDArray[np.float64]) -> float:
    """Mean over N images of -log p(label), in nats, from the probabilities (N,) of the true classes."""
    return float(-np.log(np.maximum(label_probabilities, _TINY)).mean())
