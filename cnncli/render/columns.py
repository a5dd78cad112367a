"""Text in columns, for a terminal or a pipe: the least important columns are dropped where the terminal is narrow."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from cnncli.text import printable

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A title and one cell per row.

    Attributes:
        title: of the column.
        cells: one per row; control characters in them are escaped.
        is_number: align right.
        importance: columns of lower importance are dropped first.
    """

    title: str
    cells: Sequence[str]
    is_number: bool = False
    importance: int = 0

    def __post_init__(self) -> None:
        """Make titles and cells printable: names of files, classes and networks may hold anything."""
        object.__setattr__(self, "title", printable(self.title))
        object.__setattr__(self, "cells", [printable(cell) for cell in self.cells])

    @property
    def width(self) -> int:
        """Width of the widest text, in terminal cells."""
        return max(map(cell_len, (self.title, *self.cells)))


def rows(columns: Sequence[Column], width: int | None = None) -> list[str]:
    """The titles and the rows, one string per line.

    Args:
        columns: from left to right, all with the same number of cells.
        width: of the terminal; the least important columns are dropped until the rest fits, and the last one is not cut.
            None keeps all columns.
    """
    visible = list(columns)
    while width is not None and len(visible) > 1 and _total(visible) > width:
        visible.remove(min(visible, key=lambda column: column.importance))
    lines = zip(*((column.title, *column.cells) for column in visible), strict=True)
    widths = [column.width for column in visible]
    return [
        _GAP.join(
            _align(text, column, size) for text, column, size in zip(line, visible, widths, strict=True)
        ).rstrip()
        for line in lines
    ]


def _total(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _align(text: str, column: Column, width: int) -> str:
    return " " * (width - cell_len(text)) + text if column.is_number else set_cell_size(text, width)
