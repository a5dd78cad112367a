"""What the finished network of a run achieves on the validation and test images, in the forms that the run keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.evaluation.metrics import confusion
from cnncli.evaluation.scoring import ScoredSamples
from cnncli.evaluation.tables import predictions
from cnncli.files.csv_tables import Table
from cnncli.records.data import DataSet, Split
from cnncli.records.evaluation import Accuracy, Evaluation
from cnncli.records.networks import Metric, ModelCard
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress
from cnncli.records.report import Evaluated
from cnncli.records.training import TaskClassifier, TaskResults
from cnncli.training import report


class Scores(Protocol):
    """The evaluations of a network; `ClassScores` where each image has one class, `task_scores.TaskScores` with tasks."""

    @property
    def val(self) -> Evaluated:
        """The evaluation on the validation images."""

    @property
    def test(self) -> Evaluated | None:
        """The same on the test images; None where there are none."""

    @property
    def images(self) -> tuple[int, int]:
        """Number of validation and of test images."""

    @property
    def val_accuracy(self) -> Accuracy | None:
        """Accuracy on the validation images; with tasks, the share that is right in all, None where no image has labels of all."""

    @property
    def test_accuracy(self) -> Accuracy | None:
        """The same on the test images; None where there are none."""

    @property
    def val_loss(self) -> float:
        """The loss on the validation images."""

    @property
    def test_loss(self) -> float | None:
        """The same on the test images; None where there are none."""

    def results(self, classifiers: Sequence[TaskClassifier] = ()) -> TaskResults | None:
        """The scores of each task, and the classifiers on features that were compared; None without tasks."""

    def predictions(self, data: DataSet) -> Table:
        """predictions.csv: every image of both splits, with paths relative to the data's root."""

    def complete(self, card: ModelCard) -> ModelCard:
        """The card of the network with its metrics, and whatever else was found out by evaluating it."""

    def write_pictures(self, folder: Path, data: DataSet, progress: Progress) -> None:
        """Draw what is beside the report into a run's folder; `progress` receives a warning if that fails."""


@frozen_dataclass
class ClassScores:
    """The evaluations of a network for images with one class each.

    Attributes:
        val: on the validation images.
        test: on the test images; None where there are none.
    """

    val: Evaluation
    test: Evaluation | None

    @property
    def images(self) -> tuple[int, int]:
        """Number of validation and of test images."""
        return len(self.val.answers), len(self.test.answers) if self.test else 0

    @property
    def val_accuracy(self) -> Accuracy:
        """Accuracy on the validation images."""
        return self.val.top1

    @property
    def test_accuracy(self) -> Accuracy | None:
        """The same on the test images."""
        return self.test.top1 if self.test else None

    @property
    def val_loss(self) -> float:
        """Mean cross-entropy on the validation images."""
        return self.val.loss

    @property
    def test_loss(self) -> float | None:
        """The same on the test images."""
        return self.test.loss if self.test else None

    def results(self, _: Sequence[TaskClassifier] = ()) -> None:
        """None: there are no tasks."""

    def predictions(self, data: DataSet) -> Table:
        """predictions.csv."""
        answers = [*self.val.answers, *(self.test.answers if self.test else ())]
        return predictions(answers, data.class_names)

    def complete(self, card: ModelCard) -> ModelCard:
        """The card with the accuracies."""
        accuracies = {"val_top1": self.val_accuracy, "test_top1": self.test_accuracy}
        metrics = (top1_metric(name, value) for name, value in accuracies.items() if value)
        return replace(card, metrics=tuple(metrics))

    def write_pictures(self, folder: Path, data: DataSet, progress: Progress) -> None:
        """Draw the confusion matrix of the validation images."""
        labels = np.array([answer.label for answer in self.val.answers], np.intp)
        predicted = np.array([answer.predicted for answer in self.val.answers], np.intp)
        counts = confusion(predicted, labels, len(data.class_names))
        report.write_confusion_matrix(folder, counts, data.class_names, progress)


def top1_metric(name: str, accuracy: Accuracy) -> Metric:
    """An accuracy as a card has it."""
    return Metric(name, accuracy.share, accuracy.low, accuracy.high, accuracy.images)


def evaluate_classes(
    name: str, data: DataSet, scored: Mapping[Split, ScoredSamples], unreadable: Sequence[Unreadable]
) -> ClassScores:
    """The evaluations of a network for images with one class each.

    Args:
        name: of the run.
        data: all images, also those that could not be read.
        scored: what the network predicts for both splits.
        unreadable: images that could not be read, during training or since.

    Raises:
        DataError: no validation image can be read any more.
    """
    val, test = (
        report.evaluate_split(name, data, split, scored[split].answers if split in scored else (), unreadable)
        for split in (Split.VAL, Split.TEST)
    )
    if val is None:
        raise DataError("no validation image can be read any more", "`cnncli check` says why")
    return ClassScores(val, test)
