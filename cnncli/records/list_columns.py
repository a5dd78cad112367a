"""The columns of a list of labelled images, and the tasks that they make up."""

import re
from collections.abc import Iterator, Sequence

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.records.data import DataPath
from cnncli.records.defaults import PATH_COLUMN
from cnncli.records.tasks import INDICATOR_TASK, LABEL_SEPARATOR, AnswerKind, Task

LABEL_COLUMN = "label"
"""The column of labels where none is named."""

_TASK_SEPARATOR = ":"
"""Separates a task from its class in everything that is written: TASK:CLASS."""

UNKNOWN_LABELS = "?"
"""A cell of a task whose labels are unknown for an image."""

SPLIT_FIELDS = ("split", "bytes", "digest", "schema")
"""The columns of splits.csv after the path and the labels."""

_LIST_OPTIONS = {
    "path": "--path-column",
    "labels": "--label-column",
    "split": "--split-column",
    "image": "--image-column",
    "multi_label": "--multi-label",
    "separator": "--label-separator",
    "indicators": "--indicator-columns",
    "root": "--root",
    "group": "--group-column",
}
"""The option of each field that a folder of images does not take."""


@frozen_dataclass
class ListColumns:
    """The columns of a list, and the folder of its paths.

    Attributes:
        path: name of the column with the image's path.
        labels: names of the columns with one class each; `label` if no column is named. Several are a task each.
        split: name of the optional column with train, val or test; if some images have a split, those without one are for
            training.
        root: folder or URL that paths are relative to; None is the folder of the list.
        image: name of the column with the images of a Parquet file; None to find it.
        multi_label: names of the columns with several classes, each a task; they may be among `labels`, too.
        separator: what is between the classes in such a column.
        indicators: names of columns with 0 or 1, each a class of one task with several classes.
        group: name of the column with what images have in common that must not be in two splits; empty for none.
        group_by: regular expression that finds the same in a path relative to the root, also of a folder; empty for none.

    Raises:
        UsageError: the columns contradict each other.
    """

    path: str = PATH_COLUMN
    labels: tuple[str, ...] = ()
    split: str = "split"
    root: DataPath | None = None
    image: str | None = None
    multi_label: tuple[str, ...] = ()
    separator: str = LABEL_SEPARATOR
    indicators: tuple[str, ...] = ()
    group: str = ""
    group_by: str = ""

    def __post_init__(self) -> None:
        if problem := next(_problems(self), None):
            raise UsageError(*problem)

    @property
    def label(self) -> str:
        """The name of the column of labels of a list without tasks."""
        return self.labels[0] if self.labels else LABEL_COLUMN

    @property
    def changed_options(self) -> tuple[str, ...]:
        """The options for lists that differ from their defaults, by their names on the command line."""
        usual = ListColumns(labels=self.labels if self.labels == (LABEL_COLUMN,) else ())
        return tuple(
            option for name, option in _LIST_OPTIONS.items() if getattr(self, name) != getattr(usual, name)
        )

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of a list, of which no classes are known yet but those of indicator columns; empty if it has none."""
        if len(self.labels) <= 1 and not self.multi_label and not self.indicators:
            return ()
        names = dict.fromkeys((*self.labels, *self.multi_label))
        kinds = {name: AnswerKind.SEVERAL if name in self.multi_label else AnswerKind.ONE for name in names}
        tasks = tuple(Task(name, (), kind) for name, kind in kinds.items())
        return (*tasks, *self._indicator_tasks)

    @property
    def _indicator_tasks(self) -> tuple[Task, ...]:
        if not self.indicators:
            return ()
        return (Task(INDICATOR_TASK, tuple(sorted(self.indicators)), AnswerKind.SEVERAL),)


def _problems(columns: ListColumns) -> Iterator[tuple[str, str]]:
    """What is wrong with the columns, each a message and a hint."""
    options = {
        "--label-column": columns.labels,
        "--multi-label": columns.multi_label,
        "--indicator-columns": columns.indicators,
    }
    for option, names in options.items():
        if twice := _first_repeated(names):
            yield f"{option} names {twice!r} twice", "name each column once"
        if "" in names:
            yield f"{option} names an empty column", "leave it out"
    if bad := next((name for name in columns.indicators if LABEL_SEPARATOR in name), None):
        yield (
            f"the indicator column {bad!r} has a {LABEL_SEPARATOR} in it, which separates labels",
            "rename it",
        )
    yield from _group_problems(columns)
    if not columns.separator:
        yield "--label-separator is empty", "it is what is between two labels, such as | or ;"
    tasks = columns.tasks
    if twice := _first_repeated([task.name for task in tasks]):
        yield (
            f"two tasks are called {twice!r}",
            f"rename the column: indicator columns are the task {twice!r}",
        )
    if bad := next((task.name for task in tasks if _TASK_SEPARATOR in task.name), None):
        yield (
            f"the column {bad!r} has a {_TASK_SEPARATOR} in it, which separates tasks from their classes in results",
            "rename it",
        )
    taken = {columns.path, columns.split, PATH_COLUMN, *SPLIT_FIELDS}
    if clash := next((task.name for task in tasks if task.name in taken), None):
        yield (
            f"a task cannot be called {clash!r}",
            f"rename the column: {', '.join(sorted(taken))} have other uses",
        )


def _group_problems(columns: ListColumns) -> Iterator[tuple[str, str]]:
    """What is wrong with the groups."""
    if columns.group and columns.group_by:
        yield "--group-column and --group-by contradict each other", "leave one of them out"
    try:
        re.compile(columns.group_by)
    except (re.error, RecursionError, OverflowError) as error:
        yield (
            f"--group-by {columns.group_by!r} is not a regular expression: {error}",
            "write e.g. '(cam[0-9]+)'",
        )


def _first_repeated(names: Sequence[str]) -> str | None:
    return next((name for name in names if names.count(name) > 1), None)
