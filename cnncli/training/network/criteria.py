"""Losses of logits against labels, and what counts as correct: for images with one class each, and for tasks."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from cnncli.dataclass import frozen_dataclass


class Criterion(Protocol):
    """A loss; targets are what `mixing` makes of the labels."""

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of logits (N, K), summed over N images."""

    def distance(self, logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
        """Kullback-Leibler divergence between the answers of two networks (Hinton et al., 2015), summed over N images."""

    def correct(self, logits: Tensor, targets: Tensor) -> Tensor:
        """How many of N images are answered correctly."""


@frozen_dataclass
class ClassCriterion:
    """Cross-entropy with the one class of each image; targets are classes (N,), or their shares (N, K).

    Attributes:
        smoothing: label smoothing.
        class_weights: (K,), weight of an image of each class; None for 1.
    """

    smoothing: float
    class_weights: Tensor | None

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss, summed over N images."""
        return self.losses(logits, targets).sum()

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N,): the loss of each image."""
        return functional.cross_entropy(
            logits.float(),
            targets,
            weight=self.class_weights,
            label_smoothing=self.smoothing,
            reduction="none",
        )

    def distance(self, logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
        """The divergence of softened probabilities."""
        return functional.kl_div(
            functional.log_softmax(logits / temperature, dim=1),
            functional.log_softmax(teacher_logits / temperature, dim=1),
            reduction="sum",
            log_target=True,
        )

    def correct(self, logits: Tensor, targets: Tensor) -> Tensor:
        """How many images have the largest logit at their class, or at the class with the largest share."""
        return self.matches(logits, targets).sum()

    def matches(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N,): whether each image is answered correctly."""
        classes = targets if targets.ndim == 1 else targets.argmax(dim=1)
        return logits.argmax(dim=1) == classes


def sum_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The plain cross-entropy, summed over N images, of logits (N, K) and classes (N,): the loss of validation."""
    return functional.cross_entropy(logits, labels, reduction="sum")


@frozen_dataclass
class LabelsCriterion:
    """Binary cross-entropy with each class of a task that may have several right ones, its mean over the classes.

    Attributes:
        smoothing: label smoothing: targets 1 and 0 become 1 - s / 2 and s / 2.
        present_weights, absent_weights: (K,), weights of images that have a class, and of those that lack it.
    """

    smoothing: float
    present_weights: Tensor
    absent_weights: Tensor

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N,): the loss of each image, with targets (N, K)."""
        losses = functional.binary_cross_entropy_with_logits(
            logits.float(),
            targets * (1 - self.smoothing) + self.smoothing / 2,
            weight=self.absent_weights,
            pos_weight=self.present_weights / self.absent_weights,
            reduction="none",
        )
        return losses.mean(dim=1)

    def distance(self, logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
        """The divergence of the softened probabilities of each class and of its absence, the mean over the classes."""
        own, teachers = (torch.stack([values, -values]) / temperature for values in (logits, teacher_logits))
        divergence = functional.kl_div(
            functional.logsigmoid(own), functional.logsigmoid(teachers), reduction="sum", log_target=True
        )
        return divergence / logits.shape[1]

    def matches(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N,): whether exactly the right classes have a probability above 1/2."""
        return ((logits > 0) == (targets > 1 / 2)).all(dim=1)


@frozen_dataclass
class TaskTerm:
    """A task's part of the loss.

    Attributes:
        columns: its columns among logits and targets.
        criterion: the loss of its answers.
        weight: its weight, the lambda of `lambda_1 L_1 + lambda_2 L_2`.
        known: share of the training images whose labels of it are known.
    """

    columns: slice
    criterion: ClassCriterion | LabelsCriterion
    weight: float
    known: float


@frozen_dataclass
class TasksCriterion:
    """The weighted sum of the losses of several tasks, each the mean over those images whose labels of it are known.

    Logits are those of all tasks side by side, and targets are shares (N, K) of the same classes, NaN where unknown. An image
    whose label of a task is unknown adds nothing to this task's loss; since losses are added up over all images, those of the
    others count for more, by the share of images that are known.
    """

    terms: Sequence[TaskTerm]

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss, summed over N images."""
        return torch.stack([_term_loss(term, logits, targets) for term in self.terms]).sum()

    def distance(self, logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
        """The weighted sum of the tasks' divergences; labels need not be known for it."""
        distances = [
            term.weight
            * term.criterion.distance(logits[:, term.columns], teacher_logits[:, term.columns], temperature)
            for term in self.terms
        ]
        return torch.stack(distances).sum()

    def correct(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The sum over N images of the share of their known tasks, by weight, that are answered correctly."""
        matches, weights = [], []
        for term in self.terms:
            known, own_targets = _known(targets[:, term.columns])
            matches.append(term.criterion.matches(logits[:, term.columns], own_targets))
            weights.append(term.weight * known)
        shares = torch.stack(weights) / torch.stack(weights).sum(dim=0).clamp(min=torch.finfo().tiny)
        return (torch.stack(matches) * shares).sum()


def _term_loss(term: TaskTerm, logits: Tensor, targets: Tensor) -> Tensor:
    known, own_targets = _known(targets[:, term.columns])
    losses = term.criterion.losses(logits[:, term.columns], own_targets)
    return torch.where(known, losses, 0.0).sum() * (term.weight / term.known)


def _known(targets: Tensor) -> tuple[Tensor, Tensor]:
    """(N,), whether an image's labels are known; and the targets (N, K) with 0 in place of NaN."""
    return ~targets[:, 0].isnan(), targets.nan_to_num(0.0)
