"""The labels of an image, read from the cells of a list, a Parquet file or a .json file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError, UsageError
from cnncli.records.list_columns import UNKNOWN_LABELS, ListColumns
from cnncli.records.tasks import INDICATOR_TASK, LABEL_SEPARATOR, AnswerKind, Task
from cnncli.text import counted, path_text

Cell = str | tuple[str, ...] | None
"""A text, the texts of a list, or nothing."""

Row = Mapping[str, Cell]
"""The cells of an entry, by the name of their column."""

_MAX_SHOWN = 40
"""Characters of a label that a message shows."""

_INDICATORS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
"""What indicator columns hold; pandas writes numbers with a point where some are missing."""


def text_of(cell: Cell) -> str:
    """The text in a cell that holds no list; empty if there is nothing."""
    return str(cell or "")


@frozen_dataclass
class Labels:
    """The labels of an image.

    Attributes:
        label: name of its class; empty where there are tasks.
        answers: names of its classes in each task, None where they are unknown; empty where there are no tasks.
        group: its group; empty if it has none.
    """

    label: str = ""
    answers: tuple[tuple[str, ...] | None, ...] = ()
    group: str = ""

    def __str__(self) -> str:
        if not self.answers:
            return repr(self.label)
        return ", ".join(repr(answer_text(answer)) for answer in self.answers)


def answer_text(answer: Sequence[str] | None) -> str:
    """The cell of an image's classes in a task, as splits.csv has it and lists may have it."""
    return UNKNOWN_LABELS if answer is None else LABEL_SEPARATOR.join(answer)


def parse_answer(cell: str, kind: AnswerKind) -> tuple[str, ...] | None:
    """The inverse of `answer_text`, for a task of that kind."""
    if cell == UNKNOWN_LABELS:
        return None
    return tuple(cell.split(LABEL_SEPARATOR) if cell else ()) if kind is AnswerKind.SEVERAL else (cell,)


@dataclass(slots=True)
class LabelReader:
    """Reads the labels of one image after another.

    Attributes:
        columns: of the list.
        tasks: that they make up.
        untidy: number of labels that had spaces around them.
        divisible: number of labels of one class with a separator in them.
    """

    columns: ListColumns
    tasks: tuple[Task, ...] = field(init=False)
    untidy: int = field(default=0, init=False)
    divisible: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Find the tasks, and check that no option is without effect.

        Raises:
            UsageError: one is.
        """
        self.tasks = self.columns.tasks
        if self.columns.separator != LABEL_SEPARATOR and not self.columns.multi_label:
            raise UsageError("--label-separator has no effect without --multi-label", "leave it out")

    @property
    def names(self) -> list[str]:
        """The columns that are read."""
        names = [task.name for task in self.tasks if not self._has_indicators(task.name)]
        labels = [*names, *self.columns.indicators] if self.tasks else [self.columns.label]
        return [*labels, self.columns.group] if self.columns.group else labels

    def read(self, entry: str, row: Row) -> Labels | None:
        """The labels of an image; None if it has none, or none that is known.

        Args:
            entry: where they are, for messages.
            row: the cells of the columns in `names`, perhaps among others.

        Raises:
            DataError: a cell holds no labels.
        """
        group = text_of(row[self.columns.group]).strip() if self.columns.group else ""
        if not self.tasks:
            label = self._one(entry, row, self.columns.label)
            return Labels(label[0], (), group) if label else None
        answers = tuple(self._answer(entry, row, task.name, task.kind) for task in self.tasks)
        return Labels("", answers, group) if any(answer is not None for answer in answers) else None

    def remarks(self, file: str) -> Iterator[str]:
        """What was changed in the labels of a file, and what may be meant otherwise."""
        if self.untidy:
            yield f"removed: spaces around {counted(self.untidy, 'label')} of {file}"
        if self.divisible:
            labels = counted(self.divisible, "label")
            yield f"{labels} of {file} with a {LABEL_SEPARATOR}: --multi-label reads several labels from each"

    def _has_indicators(self, name: str) -> bool:
        return bool(self.columns.indicators) and name == INDICATOR_TASK

    def _answer(self, entry: str, row: Row, name: str, kind: AnswerKind) -> tuple[str, ...] | None:
        if self._has_indicators(name):
            return self._indicated(entry, row)
        if row[name] == UNKNOWN_LABELS:
            return None
        return self._one(entry, row, name) if kind is AnswerKind.ONE else self._several(entry, row[name])

    def _one(self, entry: str, row: Row, name: str) -> tuple[str, ...] | None:
        """The class in a cell; None if it is empty."""
        label = self._tidy(entry, _text_of_one(entry, row, name))
        self.divisible += LABEL_SEPARATOR in label
        return (label,) if label else None

    def _several(self, entry: str, cell: Cell) -> tuple[str, ...]:
        """The classes in a cell, each once."""
        texts = cell if isinstance(cell, tuple) else (cell or "").split(self.columns.separator)
        labels = dict.fromkeys(label for text in texts if (label := self._tidy(entry, text)))
        for label in labels:
            require_separable(entry, label)
        return tuple(labels)

    def _indicated(self, entry: str, row: Row) -> tuple[str, ...] | None:
        """The classes whose cells hold 1; None if all cells are empty."""
        cells = {name: _text_of_one(entry, row, name).strip() for name in self.columns.indicators}
        if not any(cells.values()):
            return None
        if wrong := next((name for name, cell in cells.items() if cell.lower() not in _INDICATORS), None):
            raise DataError(
                f"{entry}: {cells[wrong][:_MAX_SHOWN]!r} in the indicator column {wrong!r} is neither 0 nor 1",
                "write 1 where an image has the class, else 0; leave all of them empty where its labels are unknown",
            )
        return tuple(name for name, cell in cells.items() if _INDICATORS[cell.lower()])

    def _tidy(self, entry: str, text: str) -> str:
        """A label without the spaces around it."""
        label = text.strip()
        require_label(entry, label)
        self.untidy += label != text and bool(label)
        return label


def _text_of_one(entry: str, row: Row, name: str) -> str:
    """The text in a cell.

    Raises:
        DataError: the cell holds a list.
    """
    cell = row[name]
    if isinstance(cell, tuple):
        raise DataError(
            f"{entry}: column {name!r} holds several labels", f"read it with --multi-label {name}"
        )
    return text_of(cell)


def require_label(entry: str, label: str) -> None:
    """Raise DataError unless a label can be the name of a class.

    Args:
        entry: where it is, for the message.
        label: as it was read.
    """
    if path_text(label) != label:
        raise DataError(f"{entry}: its label is not UTF-8", "save the list as UTF-8")
    if label.startswith('"') and label.endswith(
        '"'
    ):  # CSV knows quotation marks only directly after a separator
        raise DataError(
            f"{entry}: its label {label} has quotation marks after a space", "remove the space before them"
        )
    if len(label.splitlines()) > 1:
        raise DataError(
            f"{entry}: its label has a line end: {label[:_MAX_SHOWN]!r}", "a quotation mark may not be closed"
        )


def require_separable(entry: str, label: str) -> None:
    """Raise DataError unless a label can be one of several in a cell.

    Args:
        entry: where it is, for the message.
        label: as it was read.
    """
    if LABEL_SEPARATOR in label:
        raise DataError(
            f"{entry}: the label {label[:_MAX_SHOWN]!r} has a {LABEL_SEPARATOR} in it, which separates labels in results",
            "rename the class",
        )
    if label == UNKNOWN_LABELS:
        raise DataError(
            f"{entry}: {UNKNOWN_LABELS} beside other labels",
            f"{UNKNOWN_LABELS} alone says that the labels of an image are unknown",
        )
