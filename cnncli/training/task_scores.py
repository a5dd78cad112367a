"""What the finished network of a run with tasks achieves on the validation and test images, in the forms that the run keeps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cnncli.data.targets import targets
from cnncli.dataclass import frozen_dataclass
from cnncli.evaluation.tasks import tables
from cnncli.evaluation.tasks.figures import TasksContext, evaluate_tasks
from cnncli.evaluation.tasks.scoring import ScoredTargets
from cnncli.evaluation.tasks.thresholds import choose_thresholds, thresholds_of
from cnncli.files.csv_tables import Table
from cnncli.records.data import DataSet, Split
from cnncli.records.evaluation import Accuracy, Evaluation
from cnncli.records.networks import Metric, ModelCard
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress
from cnncli.records.task_evaluation import TaskEvaluation, TasksEvaluation
from cnncli.records.tasks import AnswerKind, Task, columns_of
from cnncli.records.training import TaskClassifier, TaskResults, TaskScore
from cnncli.training.report import HELD_OUT

Scored = Mapping[Split, ScoredTargets]
"""The validation and the test images, with their probabilities."""


@frozen_dataclass
class TaskScores:
    """The evaluations of a network.

    Attributes:
        tasks: its tasks, with the thresholds that were applied.
        weights: weight of each in the loss, by name.
        scored: the images, with their probabilities.
        val: the evaluation on the validation images.
        test: the same on the test images; None where there are none.
    """

    tasks: tuple[Task, ...]
    weights: Mapping[str, float]
    scored: Scored
    val: TasksEvaluation
    test: TasksEvaluation | None

    @property
    def images(self) -> tuple[int, int]:
        """Number of validation and of test images."""
        return self.val.images, self.test.images if self.test else 0

    @property
    def val_accuracy(self) -> Accuracy | None:
        """The share of the validation images that are right in all tasks; None where none has labels of all."""
        return self.val.exact_match

    @property
    def test_accuracy(self) -> Accuracy | None:
        """The same on the test images."""
        return self.test.exact_match if self.test else None

    @property
    def val_loss(self) -> float:
        """The weighted sum of the tasks' losses on the validation images."""
        return self._loss(self.val)

    @property
    def test_loss(self) -> float | None:
        """The same on the test images; None where there are none."""
        return self._loss(self.test) if self.test else None

    def _loss(self, evaluation: TasksEvaluation) -> float:
        return sum(self.weights.get(item.task.name, 1.0) * item.metrics.loss for item in evaluation.tasks)

    def predictions(self, data: DataSet) -> Table:
        """predictions.csv: every image of both splits, with paths relative to the data's root."""
        samples = tuple(sample for scored in self.scored.values() for sample in scored.samples)
        shares = np.concatenate([scored.shares for scored in self.scored.values()])
        return tables.predictions(self.tasks, data, ScoredTargets(samples, shares))

    def results(self, classifiers: Sequence[TaskClassifier] = ()) -> TaskResults:
        """The scores of each task; `classifiers` are those on features that were compared."""
        val, test = (
            tuple(map(_score, evaluation.tasks)) if evaluation else () for evaluation in (self.val, self.test)
        )
        return TaskResults(val, test, tuple(classifiers))

    def complete(self, card: ModelCard) -> ModelCard:
        """The card with the tasks and their thresholds, and the metrics."""
        return replace(card, tasks=self.tasks, metrics=self.metrics())

    def write_pictures(self, folder: Path, data: DataSet, progress: Progress) -> None:
        """Draw nothing: the report has the matrices of all tasks."""

    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of the card, as `val_accuracy:TASK`, `val_map:TASK`, `val_micro_f1:TASK`, `val_exact_match`."""
        splits = {Split.VAL: self.val, Split.TEST: self.test}
        return tuple(
            replace(metric, name=f"{split}_{metric.name}")
            for split, evaluation in splits.items()
            if evaluation
            for metric in _metrics(evaluation)
        )


def _score(item: TaskEvaluation) -> TaskScore:
    metrics = item.metrics
    if isinstance(metrics, Evaluation):
        return TaskScore(item.task.name, item.images, metrics.top1, None, None)
    return TaskScore(item.task.name, item.images, None, metrics.mean_average_precision, metrics.micro.f1)


def _metrics(evaluation: TasksEvaluation) -> Iterator[Metric]:
    """The metrics of a split."""
    for item in evaluation.tasks:
        score = _score(item)
        if accuracy := score.accuracy:
            name = f"accuracy:{score.task}"
            yield Metric(name, accuracy.share, accuracy.low, accuracy.high, accuracy.images)
        for name, value in (("map", score.mean_average_precision), ("micro_f1", score.micro_f1)):
            if value:
                yield Metric(f"{name}:{score.task}", value.value, value.low, value.high, score.images)
    if match := evaluation.exact_match:
        yield Metric("exact_match", match.share, match.low, match.high, match.images)


def evaluate_splits(
    name: str,
    data: DataSet,
    tasks: tuple[Task, ...],
    weights: Mapping[str, float],
    scored: Scored,
    unreadable: Sequence[Unreadable],
) -> TaskScores:
    """The evaluations of a network.

    Args:
        name: of the run.
        data: all images, also those that could not be read.
        tasks: the network's tasks, with the thresholds to apply.
        weights: weight of each in the loss, by name; 1 for the others.
        scored: the images that could be read; those of the validation split at least.
        unreadable: those that could not be read, during training or since.

    Raises:
        DataError: no validation image can be read any more.
    """
    val = _evaluate(name, data, tasks, Split.VAL, scored[Split.VAL], unreadable)
    test = scored.get(Split.TEST)
    return TaskScores(
        tasks,
        weights,
        scored,
        val,
        _evaluate(name, data, tasks, Split.TEST, test, unreadable) if test and test.samples else None,
    )


def _evaluate(
    name: str,
    data: DataSet,
    tasks: tuple[Task, ...],
    split: Split,
    scored: ScoredTargets,
    unreadable: Sequence[Unreadable],
) -> TasksEvaluation:
    paths = {sample.path for sample in data.split(split)}
    records = tuple(record for record in unreadable if record.path in paths)
    has_chosen = split is Split.VAL and any(task.kind is AnswerKind.SEVERAL for task in tasks)
    remarks = (
        ("the thresholds were chosen on these images, so F1 is a little too high",) if has_chosen else ()
    )
    context = TasksContext(name, str(split), HELD_OUT[split], tasks, remarks=remarks)
    return evaluate_tasks(context, data, replace(scored, unreadable=records))


def with_thresholds(tasks: Sequence[Task], scored: ScoredTargets) -> tuple[Task, ...]:
    """The tasks with the thresholds that are best on some images."""
    labels = targets(scored.samples, tasks)
    return tuple(
        replace(task, thresholds=choose_thresholds(scored.shares[:, columns], labels[:, columns]))
        if task.kind is AnswerKind.SEVERAL
        else task
        for task, columns in zip(tasks, columns_of(tasks), strict=True)
    )


def with_default_thresholds(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """The tasks of a network that is not trained yet, with the thresholds that it has until better ones are chosen."""
    return tuple(
        replace(task, thresholds=tuple(map(float, thresholds_of(replace(task, thresholds=None)))))
        if task.kind is AnswerKind.SEVERAL
        else task
        for task in tasks
    )
