"""What a network learns from the labels of its images: one class each, or the answers to tasks.

The two kinds of labels differ here and in `criteria`, and nowhere else in training.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from cnncli.data.targets import targets
from cnncli.dataclass import frozen_dataclass
from cnncli.records.data import DataSet, Sample
from cnncli.records.tasks import AnswerKind, Task, columns_of
from cnncli.records.training import ClassWeights
from cnncli.training.network.criteria import (
    ClassCriterion,
    Criterion,
    LabelsCriterion,
    TasksCriterion,
    TaskTerm,
)
from cnncli.training.network.processes import Processes
from cnncli.training.network.rng import Indices
from cnncli.training.network.tallies import ClassTally, Tally, TasksTally
from cnncli.training.settings import FinetuneSettings

Labels = NDArray[Any]
"""Classes (N,) of images that have one each; or (N, K) for the K classes of all tasks: 1 and 0, and NaN where unknown."""


class Supervision(Protocol):
    """How labels become what training needs."""

    def labels(self, samples: Sequence[Sample]) -> Labels:
        """The labels of some images."""

    def sampling_weights(self, labels: Labels) -> NDArray[np.float64]:
        """(N,): how often to draw each image, so that all classes are drawn equally often."""

    def criterion(self, labels: Labels, smoothing: float, device: torch.device) -> Criterion:
        """The loss.

        Args:
            labels: those of the training images, which class weights depend on.
            smoothing: label smoothing.
            device: where the loss is computed.
        """

    def tally(self, labels: Labels, processes: Processes) -> Tally:
        """Adds up figures of the validation images with these labels."""


@frozen_dataclass
class ClassSupervision:
    """One class per image.

    Attributes:
        classes: K, the number of classes.
        class_weights: how the loss weights classes.
    """

    classes: int
    class_weights: ClassWeights

    def labels(self, samples: Sequence[Sample]) -> Indices:
        """(N,): the classes."""
        return np.array([sample.label for sample in samples], np.intp)

    def sampling_weights(self, labels: Labels) -> NDArray[np.float64]:
        """(N,): inversely proportional to the images of the class."""
        weights: NDArray[np.float64] = 1 / np.bincount(labels)[labels]
        return weights

    def criterion(self, labels: Labels, smoothing: float, device: torch.device) -> ClassCriterion:
        """Cross-entropy."""
        weights = None
        if self.class_weights is ClassWeights.BALANCED:
            weights = torch.from_numpy(balanced_weights(labels, self.classes)).to(device)
        return ClassCriterion(smoothing, weights)

    def tally(self, labels: Labels, processes: Processes) -> ClassTally:
        """Loss and accuracy, balanced where classes are weighted."""
        is_balanced = self.class_weights is ClassWeights.BALANCED
        return ClassTally(labels, self.classes, processes, is_balanced=is_balanced)


@frozen_dataclass
class TasksSupervision:
    """The answers to several tasks, or to one with several right classes.

    Attributes:
        tasks: the tasks.
        weights: weight of each in the loss.
        class_weights: how the losses weight classes.
    """

    tasks: tuple[Task, ...]
    weights: tuple[float, ...]
    class_weights: ClassWeights

    def labels(self, samples: Sequence[Sample]) -> NDArray[np.float32]:
        """(N, K): the answers to all tasks."""
        return targets(samples, self.tasks)

    def sampling_weights(self, labels: Labels) -> NDArray[np.float64]:
        """(N,): as if a class of any task were drawn, then one of its images; having none of a task's classes counts as one."""
        weights = np.zeros(len(labels))
        for columns in columns_of(self.tasks):
            answers = np.column_stack([labels[:, columns], labels[:, columns].sum(axis=1) == 0]) == 1
            weights += (answers / np.maximum(answers.sum(axis=0), 1)).sum(axis=1)
        return weights

    def criterion(self, labels: Labels, smoothing: float, device: torch.device) -> TasksCriterion:
        """The weighted sum of each task's cross-entropy."""
        terms = []
        for task, columns, weight in zip(self.tasks, columns_of(self.tasks), self.weights, strict=True):
            known = labels[~np.isnan(labels[:, columns.start]), columns]
            create = _labels_criterion if task.kind is AnswerKind.SEVERAL else _class_criterion
            criterion = create(known, smoothing, self.class_weights, device)
            terms.append(TaskTerm(columns, criterion, weight, max(len(known), 1) / len(labels)))
        return TasksCriterion(terms)

    def tally(self, labels: Labels, processes: Processes) -> TasksTally:
        """Loss and score of each task."""
        criterion = self.criterion(labels, 0.0, processes.accelerator.device)
        return TasksTally(labels, self.tasks, self.weights, self.class_weights, criterion, processes)


def _class_criterion(
    answers: NDArray[np.float32], smoothing: float, class_weights: ClassWeights, device: torch.device
) -> ClassCriterion:
    """The loss of a task with one right class."""
    supervision = ClassSupervision(answers.shape[1], class_weights)
    return supervision.criterion(answers.argmax(axis=1), smoothing, device)


def _labels_criterion(
    answers: NDArray[np.float32], smoothing: float, class_weights: ClassWeights, device: torch.device
) -> LabelsCriterion:
    """The loss of a task with several right classes; balanced, those that have a class count as much as those that lack it."""
    weights = np.ones((2, answers.shape[1]))
    if class_weights is ClassWeights.BALANCED:
        present = answers.sum(axis=0)
        weights = len(answers) / (2 * np.maximum([present, len(answers) - present], 1))
    present_weights, absent_weights = torch.tensor(weights, dtype=torch.float32, device=device)
    return LabelsCriterion(smoothing, present_weights, absent_weights)


def balanced_weights(labels: Indices, classes: int) -> NDArray[np.float32]:
    """(K,) weights, inversely proportional to the number of a class's images; 1 on average over the images."""
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    weights: NDArray[np.float32] = (len(labels) / (classes * counts)).astype(np.float32)
    return weights


def supervise(data: DataSet, settings: FinetuneSettings) -> Supervision:
    """The supervision by the labels of a data set."""
    if not data.tasks:
        return ClassSupervision(len(data.class_names), settings.class_weights)
    return TasksSupervision(data.tasks, settings.weights_of(data.tasks), settings.class_weights)
