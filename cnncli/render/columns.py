"""Text in columns, for a terminal or a pipe: the least important columns go first where room is short."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A title and one cell a row.

    Attributes:
        title: of the column.
        cells: one a row.
        is_number: aligned right.
        importance: columns of less go first.
    """

    title: str
    cells: Sequence[str]
    is_number: bool = False
    importance: int = 0

    @property
    def width(self) -> int:
        """Terminal cells of its widest text."""
        return max(map(cell_len, (self.title, *self.cells)))


def rows(columns: Sequence[Column], width: int | None = None) -> list[str]:
    """The titles and the rows, one string per line.

    Args:
        columns: from left to right, all with the same number of cells.
        width: of the terminal; the least important columns are dropped until the rest fits, and the last one is not cut.
            None keeps all columns.
    """
    kept = list(columns)
    while width is not None and len(kept) > 1 and _total(kept) > width:
        kept.remove(min(kept, key=lambda column: column.importance))
    lines = zip(*((column.title, *column.cells) for column in kept), strict=True)
    widths = [column.width for column in kept]
    return [
        _GAP.join(
            _align(text, column, size) for text, column, size in zip(line, kept, widths, strict=True)
        ).rstrip()
        for line in lines
    ]


def _total(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _align(text: str, column: Column, width: int) -> str:
    return " " * (width - cell_len(text)) + text if column.is_number else set_cell_size(text, width)
