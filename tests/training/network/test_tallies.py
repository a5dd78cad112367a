"""Figures of tasks on validation images: those of scikit-learn, whatever the batches."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from scipy.special import log_softmax
from sklearn.metrics import average_precision_score, balanced_accuracy_score, log_loss

from cnncli.logits import probabilities
from cnncli.records.tasks import AnswerKind, Task
from cnncli.records.training import ClassWeights
from cnncli.training.network.processes import Processes
from cnncli.training.network.supervision import TasksSupervision
from cnncli.training.network.tallies import ValidationFigures

TASKS = (
    Task("digit", ("0", "1", "2"), AnswerKind.ONE),
    Task("tags", ("round", "tall"), AnswerKind.SEVERAL),
)
RNG = np.random.default_rng(0)
LABELS = np.concatenate(
    [np.eye(3)[RNG.choice(3, 60, p=(0.7, 0.2, 0.1))], RNG.random((60, 2)) < 0.4], axis=1
).astype(np.float32)
LOGITS = (LABELS * 2 + RNG.standard_normal((60, 5))).astype(np.float32)
LABELS[:20, 3:] = np.nan
KNOWN = slice(20, None)


def figures(
    class_weights: ClassWeights = ClassWeights.NONE, logits: np.ndarray = LOGITS
) -> ValidationFigures | None:
    supervision = TasksSupervision(TASKS, (1.0, 3.0), class_weights)
    tally = supervision.tally(LABELS, Processes(Accelerator(cpu=True)))
    for numbers in np.array_split(np.arange(len(logits)), 7):
        tally.add(numbers, torch.from_numpy(logits[numbers]))
    return tally.total()


def test_scores_and_loss_are_those_of_scikit_learn() -> None:
    total = figures()
    assert total
    labels, shares = LABELS[:, :3].argmax(axis=1), probabilities(LOGITS, TASKS)
    accuracy = (LOGITS[:, :3].argmax(axis=1) == labels).mean()
    precision = average_precision_score(LABELS[KNOWN, 3:], shares[KNOWN, 3:])
    assert total.scores == pytest.approx((accuracy, precision))
    assert total.score == pytest.approx((accuracy + 3 * precision) / 4)
    digit = -log_softmax(LOGITS[:, :3], axis=1)[np.arange(60), labels].mean()
    tags = np.mean([log_loss(LABELS[KNOWN, column], shares[KNOWN, column]) for column in (3, 4)])
    assert total.loss == pytest.approx(digit + 3 * tags, rel=1e-5)


def test_accuracies_are_balanced_where_classes_are_weighted() -> None:
    total = figures(ClassWeights.BALANCED)
    assert total
    labels = LABELS[:, :3].argmax(axis=1)
    assert total.scores[0] == pytest.approx(balanced_accuracy_score(labels, LOGITS[:, :3].argmax(axis=1)))


def test_a_diverged_network_has_no_loss() -> None:
    total = figures(logits=np.full_like(LOGITS, np.nan))
    assert total
    assert np.isnan(total.loss)
    assert figures(logits=LOGITS[:0]) is None
