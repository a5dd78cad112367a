"""Labelled images for a network with tasks: the columns of a list that have the labels of each."""

import dataclasses
from collections.abc import Sequence

from cnncli.data import layout
from cnncli.records.data import NO_LABEL, DataPath, DataSet
from cnncli.records.list_columns import ListColumns
from cnncli.records.tasks import INDICATOR_TASK, AnswerKind, Task


def read_data(data: DataPath, columns: ListColumns, tasks: Sequence[Task]) -> DataSet:
    """The labelled images of a folder, a list or archives, with the labels of a network's tasks if it has some.

    Args:
        data: a path, a URL, or a pattern or range of archives.
        columns: those that the user names.
        tasks: of the network.

    Raises:
        DataError: it does not exist, has no labelled images, or lacks columns of tasks.
        UsageError: it is a model folder, or columns are named and it has none.
    """
    if not tasks:
        return layout.read(data, columns)
    columns = _find_columns(columns, data, tasks)
    return _add_task(layout.read(data, columns), columns, tasks)


def _find_columns(columns: ListColumns, data: DataPath, tasks: Sequence[Task]) -> ListColumns:
    """The columns that the user names; if none, those with the names and kinds of a network's tasks."""
    if columns.labels or columns.multi_label or columns.indicators:
        return columns
    header = layout.column_names(data)
    if header is None:
        return columns
    names = {kind: [task.name for task in tasks if task.kind is kind] for kind in AnswerKind}
    indicators = _find_indicators(header, tasks)
    return dataclasses.replace(
        columns,
        labels=tuple(names[AnswerKind.ONE]),
        multi_label=tuple(
            name for name in names[AnswerKind.SEVERAL] if not indicators or name != INDICATOR_TASK
        ),
        indicators=indicators,
    )


def _find_indicators(header: Sequence[str], tasks: Sequence[Task]) -> tuple[str, ...]:
    """The columns with 0 or 1 of the task that is named after them; none if it has a column of its own, or they are missing."""
    classes = next((task.class_names for task in tasks if task.name == INDICATOR_TASK), ())
    return classes if INDICATOR_TASK not in header and {*classes} <= {*header} else ()


def _add_task(data: DataSet, columns: ListColumns, tasks: Sequence[Task]) -> DataSet:
    """A list with one column of one class per image as a data set with a task, if a network has such a task beside others."""
    if data.tasks or not any((columns.label, AnswerKind.ONE) == (task.name, task.kind) for task in tasks):
        return data
    samples = (
        dataclasses.replace(sample, label=NO_LABEL, answers=((sample.label,),)) for sample in data.samples
    )
    task = Task(columns.label, data.class_names, AnswerKind.ONE)
    return dataclasses.replace(data, samples=tuple(samples), tasks=(task,))
