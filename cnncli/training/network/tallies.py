"""Figures of a network on the validation images, added up batch by batch and process by process."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnncli.dataclass import frozen_dataclass
from cnncli.records.tasks import Task
from cnncli.records.training import ClassWeights
from cnncli.training.network.criteria import TasksCriterion, sum_cross_entropy
from cnncli.training.network.processes import Processes
from cnncli.training.network.rng import Indices
from cnncli.training.task_figures import task_figures


@frozen_dataclass
class ValidationFigures:
    """What a network achieves on the validation images.

    Attributes:
        loss: mean loss.
        top1: share of the images that are answered correctly.
        balanced: balanced accuracy, the mean over classes; None where classes are not weighted, or with tasks.
        scores: what each task is measured by (`task_figures`); empty without tasks.
        score: their weighted mean; None without tasks.
    """

    loss: float
    top1: float
    balanced: float | None = None
    scores: tuple[float | None, ...] = ()
    score: float | None = None


class Tally(Protocol):
    """Figures of the images so far."""

    def add(self, numbers: Indices, logits: Tensor) -> None:
        """Add images by their numbers, with their logits (N, K)."""

    def total(self) -> ValidationFigures | None:
        """The figures of the images of all processes; None if there are none."""


class ClassTally:
    """Loss and accuracy where each image has one class."""

    def __init__(self, labels: Indices, classes: int, processes: Processes, *, is_balanced: bool) -> None:
        """No images yet.

        Args:
            labels: (N,), classes of all validation images.
            classes: K, number of classes.
            processes: the processes, each of which has its share of the images.
            is_balanced: whether the mean accuracy over classes is wanted.
        """
        self._labels, self._classes, self._processes = labels, classes, processes
        self._is_balanced = is_balanced
        self._sums = [0.0, 0.0, 0.0]
        self._correct, self._images = np.zeros(classes), np.zeros(classes)

    def add(self, numbers: Indices, logits: Tensor) -> None:
        """Add images."""
        labels = torch.from_numpy(self._labels[numbers]).to(logits.device)
        is_correct = logits.argmax(dim=1) == labels
        values = (float(sum_cross_entropy(logits, labels)), float(is_correct.sum()), len(numbers))
        self._sums = [total + value for total, value in zip(self._sums, values, strict=True)]
        self._correct += np.bincount(self._labels[numbers], is_correct.cpu().numpy(), self._classes)
        self._images += np.bincount(self._labels[numbers], minlength=self._classes)

    def total(self) -> ValidationFigures | None:
        """The figures."""
        sums = self._processes.sum([*self._sums, *self._correct, *self._images])
        loss, correct, count, *by_class = sums
        if not count:
            return None
        correct_by_class, images_by_class = np.reshape(by_class, (2, self._classes))
        has_images = images_by_class > 0
        balanced = float(np.mean(correct_by_class[has_images] / images_by_class[has_images]))
        return ValidationFigures(loss / count, correct / count, balanced if self._is_balanced else None)


class TasksTally:
    """Loss and score of each task; scores need the logits of all images together."""

    def __init__(
        self,
        labels: NDArray[np.float32],
        tasks: tuple[Task, ...],
        weights: tuple[float, ...],
        class_weights: ClassWeights,
        criterion: TasksCriterion,
        processes: Processes,
    ) -> None:
        """No images yet.

        Args:
            labels: (N, K), answers of all validation images.
            tasks: the tasks.
            weights: weight of each in the loss.
            class_weights: whether accuracies are balanced.
            criterion: knows which images are answered correctly.
            processes: the processes, each of which has its share of the images.
        """
        self._labels, self._tasks, self._weights, self._class_weights = labels, tasks, weights, class_weights
        self._criterion, self._processes = criterion, processes
        self._correct = 0.0
        self._numbers = [np.zeros(0, np.intp)]
        self._logits = [np.zeros((0, labels.shape[1]), np.float32)]

    def add(self, numbers: Indices, logits: Tensor) -> None:
        """Add images."""
        targets = torch.from_numpy(self._labels[numbers]).to(logits.device)
        self._correct += float(self._criterion.correct(logits, targets))
        self._numbers.append(numbers)
        self._logits.append(logits.cpu().numpy())

    def total(self) -> ValidationFigures | None:
        """The figures; the loss is NaN if the logits are not finite."""
        (correct,) = self._processes.sum([self._correct])
        parts = self._processes.gather((np.concatenate(self._numbers), np.concatenate(self._logits)))
        numbers, logits = (np.concatenate(part) for part in zip(*parts, strict=True))
        if not len(numbers):
            return None
        if not np.isfinite(logits).all():
            return ValidationFigures(np.nan, 0.0)
        figures = task_figures(logits, self._labels[numbers], self._tasks, self._weights, self._class_weights)
        return ValidationFigures(
            figures.loss, correct / len(numbers), None, figures.known_scores, figures.score
        )
