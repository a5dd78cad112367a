"""All metrics of a network with tasks, from a data set and probabilities."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.data.targets import targets
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.evaluation.measures import EvaluationContext, evaluation
from cnncli.evaluation.metrics import accuracy
from cnncli.evaluation.scoring import answers_of
from cnncli.evaluation.tasks.labels import label_metrics
from cnncli.evaluation.tasks.scoring import ScoredTargets, predicted_answers
from cnncli.records.data import DataSet
from cnncli.records.evaluation import Accuracy, Evaluation
from cnncli.records.predictions import Unreadable
from cnncli.records.task_evaluation import LabelMetrics, TaskEvaluation, TasksEvaluation
from cnncli.records.tasks import AnswerKind, Task


@frozen_dataclass
class TasksContext:
    """What was evaluated.

    Attributes:
        model: name of the network, or of the networks of an ensemble.
        split: train, val, test or all.
        split_source: where the split comes from, as text.
        tasks: the tasks of the samples' answers and of the probabilities, with the thresholds to apply.
        threshold: a confidence threshold to report on for tasks with one right class; None for no other than the usual ones.
        remarks: what was left out or is unexpected, one line each.
    """

    model: str
    split: str
    split_source: str
    tasks: tuple[Task, ...]
    threshold: float | None = None
    remarks: tuple[str, ...] = ()


@frozen_dataclass
class TaskOutcome:
    """The evaluation of one task, and the images whose labels of it are known, with its answers and probabilities only."""

    evaluation: TaskEvaluation
    scored: ScoredTargets

    @property
    def task(self) -> Task:
        """The task."""
        return self.evaluation.task

    def predicted_names(self, place: int) -> tuple[str, ...]:
        """The classes that are predicted for one of the images."""
        (predicted,) = predicted_answers(self.scored.shares[[place]], [self.task])
        return tuple(self.task.class_names[index] for index in np.flatnonzero(predicted))


@frozen_dataclass
class EvaluatedTasks:
    """An evaluation, and what it was computed from.

    Attributes:
        tasks: the tasks, with the thresholds that were applied.
        scored: the images; their answers and probabilities are those of the tasks.
        evaluation: all metrics.
    """

    tasks: tuple[Task, ...]
    scored: ScoredTargets
    evaluation: TasksEvaluation

    def each_task(self) -> Iterator[TaskOutcome]:
        """Each task that was evaluated, alone."""
        numbers = {task.name: number for number, task in enumerate(self.tasks)}
        for item in self.evaluation.tasks:
            yield TaskOutcome(item, self.scored.of_task(self.tasks, numbers[item.task.name]))


def evaluate_tasks(context: TasksContext, data: DataSet, scored: ScoredTargets) -> TasksEvaluation:
    """All metrics of each task that has labels; images whose labels of a task are unknown are left out of it.

    Args:
        context: what was evaluated.
        data: that the samples are of, for its name and for paths relative to its root.
        scored: the samples, whose answers are indices of the context's classes, and their probabilities.

    Raises:
        DataError: no image could be read, or none of them has a known label.
    """
    if not scored.samples:
        raise DataError(
            f"no image of {data.name} ({context.split}) can be read", "run `cnncli check` to find out why"
        )
    evaluations = tuple(_evaluate_each(context, data, scored))
    if not evaluations:
        raise DataError(f"no image of {data.name} ({context.split}) has a label", "see `cnncli check`")
    evaluated = {item.task.name for item in evaluations}
    remarks = (
        f"no image has a label of {task.name!r}: it is left out"
        for task in context.tasks
        if task.name not in evaluated
    )
    return TasksEvaluation(
        model=context.model,
        data=data.name,
        split=context.split,
        split_source=context.split_source,
        images=len(scored.samples),
        tasks=evaluations,
        exact_match=_exact_match(context.tasks, scored),
        unreadable=tuple(
            Unreadable(data.relative(record.path), record.reason) for record in scored.unreadable
        ),
        remarks=(*context.remarks, *remarks),
    )


def _evaluate_each(context: TasksContext, data: DataSet, scored: ScoredTargets) -> Iterator[TaskEvaluation]:
    """The evaluation of each task that any image has a known label of."""
    for number, task in enumerate(context.tasks):
        known = scored.of_task(context.tasks, number)
        evaluate = _evaluate_labels if task.kind is AnswerKind.SEVERAL else _evaluate_choice
        if known.samples:
            unknown = len(scored.samples) - len(known.samples)
            yield TaskEvaluation(task, evaluate(context, data, task, known), unknown)


def _evaluate_labels(_: TasksContext, data: DataSet, task: Task, scored: ScoredTargets) -> LabelMetrics:
    """The metrics of a task with several answers."""
    paths = [data.relative(sample.path) for sample in scored.samples]
    return label_metrics(task, paths, scored.shares, targets(scored.samples, [task]))


def _evaluate_choice(context: TasksContext, data: DataSet, task: Task, scored: ScoredTargets) -> Evaluation:
    """The evaluation of a task with one right class."""
    labels = targets(scored.samples, [task]).argmax(axis=1)
    samples = [
        dataclasses.replace(sample, label=int(label))
        for sample, label in zip(scored.samples, labels, strict=True)
    ]
    answers = list(answers_of(samples, scored.shares, data.relative))
    about = EvaluationContext(
        context.model, data.name, context.split, context.split_source, task.class_names, context.threshold
    )
    return evaluation(about, answers, ())


def _exact_match(tasks: Sequence[Task], scored: ScoredTargets) -> Accuracy | None:
    """How many of the images whose labels are all known are right in all tasks."""
    matches = exact_matches(tasks, scored)
    known = matches[~np.isnan(matches)].astype(np.intp)
    return accuracy(known, np.ones_like(known)) if len(known) else None


def exact_matches(tasks: Sequence[Task], scored: ScoredTargets) -> NDArray[np.float32]:
    """(N,): 1 for an image that is right in all tasks, 0 for others, NaN where a label is unknown.

    Tasks that no image has a label of do not count.
    """
    truth = targets(scored.samples, tasks)
    has_labels = ~np.isnan(truth).all(axis=0)
    is_wrong = predicted_answers(scored.shares, tasks) != (truth > 0)
    is_unknown = np.isnan(truth[:, has_labels]).any(axis=1)
    return np.where(is_unknown, np.nan, ~is_wrong[:, has_labels].any(axis=1)).astype(np.float32)
