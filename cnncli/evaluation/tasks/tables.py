"""The CSV tables of an evaluation of a network with tasks."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.data.labels import answer_text
from cnncli.evaluation import tables as plain
from cnncli.evaluation.tables import decimals
from cnncli.evaluation.tasks.scoring import ScoredTargets, predicted_answers
from cnncli.files.csv_tables import Table
from cnncli.records.data import DataSet, Sample
from cnncli.records.evaluation import Estimate, Evaluation
from cnncli.records.task_evaluation import LabelMetrics, TaskEvaluation, TasksComparison, TasksEvaluation
from cnncli.records.tasks import AnswerKind, Task, columns_of
from cnncli.text import path_text

Cell = str | int | float | None

_CLASS_COLUMNS = (
    *("kind", "name", "average_precision", "precision", "recall", "f1", "support", "predicted"),
    *("threshold", "calibration_error"),
)


def predictions(
    tasks: Sequence[Task], data: DataSet, scored: ScoredTargets, name: str = "predictions.csv"
) -> Table:
    """One row per image, from which every metric can be computed again.

    For each task: `label:TASK` and `predicted:TASK`, several joined by `|`, and `probability:TASK:CLASS` for each of its classes.
    Tasks with several answers also have `label:TASK:CLASS`: 1 or 0, empty where the labels are unknown.

    Args:
        tasks: the tasks of the samples' answers and of the probabilities, with the thresholds to apply.
        data: that the samples are of, for paths relative to its root.
        scored: the images.
        name: name of the file.
    """
    predicted = predicted_answers(scored.shares, tasks)
    rows = [
        (
            data.relative(sample.path),
            sample.split,
            *(cell for number in range(len(tasks)) for cell in _cells(tasks, number, sample, answers)),
            *(f"{share:.9g}" for share in shares),
        )
        for sample, shares, answers in zip(scored.samples, scored.shares.tolist(), predicted, strict=True)
    ]
    header = (cell for task in tasks for cell in _titles(task))
    probabilities = (f"probability:{task.name}:{name}" for task in tasks for name in task.class_names)
    return Table(name, ("path", "split", *header, *probabilities), rows)


def _titles(task: Task) -> Iterator[str]:
    """Names of the columns of a task, apart from its probabilities."""
    yield f"label:{task.name}"
    yield f"predicted:{task.name}"
    if task.kind is AnswerKind.SEVERAL:
        yield from (f"label:{task.name}:{name}" for name in task.class_names)


def _cells(
    tasks: Sequence[Task], number: int, sample: Sample, predicted: NDArray[np.bool_]
) -> Iterator[str | int]:
    """The cells of one image below `_titles`, given which classes of all tasks are predicted, (K,)."""
    task, answer = tasks[number], sample.answers[number]
    yield answer_text(None if answer is None else [task.class_names[index] for index in answer])
    places = np.flatnonzero(predicted[columns_of(tasks)[number]])
    yield answer_text([task.class_names[place] for place in places])
    if task.kind is AnswerKind.SEVERAL:
        yield from ("" if answer is None else int(index in answer) for index in range(len(task.class_names)))


def join_tables(tables: Iterable[tuple[str, Table]]) -> list[Table]:
    """Tables of tasks, those with the same name joined: a column `task` first, and empty cells where a task has no such column.

    Args:
        tables: each with the name of its task.
    """
    parts: dict[str, list[tuple[str, Table]]] = {}
    for task, table in tables:
        parts.setdefault(table.name, []).append((task, table))
    return [_join(name, named) for name, named in parts.items()]


def _join(name: str, parts: Sequence[tuple[str, Table]]) -> Table:
    header = ("task", *max((table.header for _, table in parts), key=len))
    rows = [
        {"task": task, **dict(zip(table.header, row, strict=True))}
        for task, table in parts
        for row in table.rows
    ]
    return Table(name, header, [[row.get(title, "") for title in header] for row in rows])


def task_tables(item: TaskEvaluation) -> Iterator[Table]:
    """The tables of one task."""
    metrics = item.metrics
    yield classes(item)
    if isinstance(metrics, Evaluation):
        yield plain.confusion_matrix(metrics)
        yield plain.coverage(metrics)
    else:
        yield co_occurrence(item.task, metrics)
    yield plain.calibration(metrics.bins)


def all_classes(evaluation: TasksEvaluation) -> Table:
    """One row per class of each task, and their averages."""
    return next(iter(join_tables((item.task.name, classes(item)) for item in evaluation.tasks)))


def classes(item: TaskEvaluation) -> Table:
    """One row per class of a task, and their averages."""
    if isinstance(item.metrics, Evaluation):
        return plain.classes(item.metrics)
    metrics, names = item.metrics, item.task.class_names
    support = sum(score.support for score in metrics.classes)
    predicted = sum(score.predicted for score in metrics.classes)
    rows: list[Sequence[Cell]] = [
        (
            "class",
            names[score.index],
            _value(score.average_precision),
            *map(decimals, (score.precision, score.recall, score.f1)),
            score.support,
            score.predicted,
            score.threshold,
            decimals(score.calibration_error),
        )
        for score in metrics.classes
    ]
    for name, average, area in (
        ("micro", metrics.micro, None),
        ("macro", metrics.macro, metrics.mean_average_precision),
    ):
        values = map(_value, (area, average.precision, average.recall, average.f1))
        rows.append(("average", name, *values, support, predicted, "", ""))
    return Table("classes.csv", _CLASS_COLUMNS, rows)


def _value(metric: Estimate | None) -> str:
    return decimals(metric.value) if metric else ""


def co_occurrence(task: Task, metrics: LabelMetrics) -> Table:
    """One row per pair of classes that are on an image together, as labels or predictions."""
    names = task.class_names
    rows = [
        (names[pair.first], names[pair.second], pair.labelled, pair.predicted, pair.confused)
        for pair in metrics.pairs
    ]
    return Table("co_occurrence.csv", ("first", "second", "labelled", "predicted", "confused"), rows)


def changes(comparison: TasksComparison) -> Table:
    """One row per task and image of which only one of two networks gets the task right."""
    rows = [
        (
            item.new.task.name,
            path_text(change.path),
            kind,
            *map(answer_text, (change.label, change.old, change.new)),
        )
        for item in comparison.tasks
        for kind, side in (("gained", item.gained), ("lost", item.lost))
        for change in side
    ]
    return Table("changes.csv", ("task", "path", "change", "label", "old", "new"), rows)
