"""The CSV tables of an evaluation of a network with tasks."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from cnncli.evaluation.tasks.scoring import ScoredTargets, predicted_answers
from cnncli.files.csv_tables import Table
from cnncli.records.data import DataSet, Sample
from cnncli.records.tasks import AnswerKind, Task, columns_of

SEPARATOR = "|"
"""Between several labels of an image in one cell."""


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
    tasks: Sequence[Task],
    number: int,
    sample: Sample,
    predicted: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
) -> Iterator[str | int]:
    """The cells of one image below `_titles`."""
    task, answer = tasks[number], sample.answers[number]
    yield join_names(task, answer or ())
    yield join_names(task, np.flatnonzero(predicted[columns_of(tasks)[number]]))
    if task.kind is AnswerKind.SEVERAL:
        yield from ("" if answer is None else int(index in answer) for index in range(len(task.class_names)))


def join_names(task: Task, indices: Iterable[int]) -> str:
    """Class names in one cell."""
    return SEPARATOR.join(task.class_names[index] for index in indices)
