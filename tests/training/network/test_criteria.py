"""Losses of several tasks: by hand, with unknown labels, weights, smoothing and a teacher."""

import math

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from torch import Tensor

from cnncli.records.tasks import AnswerKind, Task
from cnncli.records.training import ClassWeights
from cnncli.training.network.criteria import TasksCriterion
from cnncli.training.network.supervision import TasksSupervision

DIGIT = Task("digit", ("0", "1", "2"), AnswerKind.ONE)
TAGS = Task("tags", ("round", "tall"), AnswerKind.SEVERAL)
NAN = math.nan

LOGITS = torch.tensor([[2.0, 0.5, -1.0, 1.5, -0.5], [0.0, 1.0, 0.0, -2.0, 3.0], [1.0, 1.0, 0.0, 0.5, 0.5]])
LABELS = torch.tensor([[1.0, 0, 0, 1, 0], [0, 0, 1, NAN, NAN], [NAN, NAN, NAN, 0, 1]])
"""The first image has all labels, each other one those of one task."""


def criterion(
    labels: Tensor,
    weights: tuple[float, float] = (1.0, 1.0),
    smoothing: float = 0.0,
    class_weights: ClassWeights = ClassWeights.NONE,
) -> TasksCriterion:
    supervision = TasksSupervision((DIGIT, TAGS), weights, class_weights)
    return supervision.criterion(labels.numpy(), smoothing, torch.device("cpu"))


def cross_entropy(row: int, label: int) -> float:
    return -math.log(softmax(LOGITS[row, :3].numpy())[label])


def binary_cross_entropy(row: int, targets: tuple[int, int]) -> float:
    shares = expit(LOGITS[row, 3:].numpy())
    return -sum(math.log(p if t else 1 - p) for p, t in zip(shares, targets, strict=True)) / 2


def test_the_loss_is_the_weighted_sum_of_each_tasks_mean_over_known_images() -> None:
    digit = (cross_entropy(0, 0) + cross_entropy(1, 2)) / 2
    tags = (binary_cross_entropy(0, (1, 0)) + binary_cross_entropy(2, (0, 1))) / 2
    loss = criterion(LABELS, (0.5, 2.0)).loss(LOGITS, LABELS) / 3
    assert float(loss) == pytest.approx(0.5 * digit + 2 * tags, rel=1e-6)


def test_the_gradient_is_probability_minus_label() -> None:
    logits = LOGITS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(criterion(LABELS, (0.5, 2.0)).loss(logits, LABELS), logits)
    expected = np.zeros((3, 5))
    expected[:2, :3] = 0.5 * 3 / 2 * (softmax(LOGITS[:2, :3].numpy(), axis=1) - LABELS[:2, :3].numpy())
    expected[[0, 2], 3:] = 2 * 3 / 2 * (expit(LOGITS[[0, 2], 3:].numpy()) - LABELS[[0, 2], 3:].numpy()) / 2
    assert np.allclose(gradient.numpy(), expected, atol=1e-6)


def test_smoothing_moves_targets_towards_equal_probabilities() -> None:
    smooth = criterion(LABELS[:1], smoothing=0.2).loss(LOGITS[:1], LABELS[:1])
    logs = np.log(softmax(LOGITS[0, :3].numpy()))
    shares = expit(LOGITS[0, 3:].numpy())
    tags = -(0.9 * np.log(shares[0]) + 0.1 * np.log(1 - shares[0]) + 0.1 * np.log(shares[1]))
    tags -= 0.9 * np.log(1 - shares[1])
    assert float(smooth) == pytest.approx(-0.8 * logs[0] - 0.2 * logs.mean() + tags / 2, rel=1e-6)


def test_balanced_weights_let_rare_labels_count_as_much_as_others() -> None:
    """Three of four images are a 0, and one is tall: a network that knows nothing is not pulled either way."""
    labels = torch.tensor([[1.0, 0, 0, 0, 0], [1, 0, 0, 1, 0], [1, 0, 0, 1, 0], [0, 1, 0, 0, 1]])
    logits = torch.zeros(4, 5, requires_grad=True)
    loss = criterion(labels, class_weights=ClassWeights.BALANCED).loss(logits, labels)
    pull = torch.autograd.grad(loss, logits)[0].sum(dim=0)
    assert torch.allclose(pull[3:], torch.zeros(2), atol=1e-6)
    assert pull[0] == pytest.approx(pull[1])


def test_what_counts_as_correct_is_the_share_of_known_tasks() -> None:
    """The first image is right in both tasks, the second wrong in its only one, the third wrong in its only one."""
    assert float(criterion(LABELS).correct(LOGITS, LABELS)) == 1
    wrong_tags = LABELS.clone()
    wrong_tags[0, 4] = 1
    assert float(criterion(LABELS, (3.0, 1.0)).correct(LOGITS, wrong_tags)) == pytest.approx(0.75)
    assert float(criterion(LABELS).correct(LOGITS, torch.full_like(LABELS, NAN))) == 0


def test_distances_to_a_teacher_are_divergences() -> None:
    teacher = torch.tensor([[0.0, 1.0, 0.0, 2.0, -1.0]])
    tasks = criterion(LABELS, (0.5, 2.0))
    assert float(tasks.distance(teacher, teacher, 2.0)) == pytest.approx(0, abs=1e-6)
    own, other = softmax(LOGITS[0, :3].numpy() / 2), softmax(teacher[0, :3].numpy() / 2)
    digit = (other * np.log(other / own)).sum()
    own, other = expit(LOGITS[0, 3:].numpy() / 2), expit(teacher[0, 3:].numpy() / 2)
    tags = (other * np.log(other / own) + (1 - other) * np.log((1 - other) / (1 - own))).mean()
    assert float(tasks.distance(LOGITS[:1], teacher, 2.0)) == pytest.approx(0.5 * digit + 2 * tags, rel=1e-5)
