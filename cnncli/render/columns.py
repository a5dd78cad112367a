"""Text in columns, for a terminal or a pipe: on a narrow terminal paths are cut, and unimportant columns dropped."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from cnncli.dataclass import frozen_dataclass
from cnncli.text import printable

_GAP = "  "
_NARROWEST_PATH = 16
"""Width to which a column of paths is cut at most, in terminal cells."""


@frozen_dataclass
class Column:
    """A title and one cell per row.

    Attributes:
        title: of the column.
        cells: one per row; control characters in them are escaped.
        is_number: align right.
        importance: columns of lower importance are dropped first.
        is_path: cut the cells where the terminal is too narrow for them.
    """

    title: str
    cells: Sequence[str]
    is_number: bool = False
    importance: int = 0
    is_path: bool = False

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
        width: of the terminal; paths are cut, then the least important columns are dropped until the rest fits, and the
            last one is not cut. None keeps everything.
    """
    visible = list(columns)
    while width is not None and len(visible) > 1 and _total(_widths(visible, width)) > width:
        visible.remove(min(visible, key=lambda column: column.importance))
    lines = zip(*((column.title, *column.cells) for column in visible), strict=True)
    widths = _widths(visible, width)
    return [
        _GAP.join(
            _align(text, column, size) for text, column, size in zip(line, visible, widths, strict=True)
        ).rstrip()
        for line in lines
    ]


def _widths(columns: Sequence[Column], limit: int | None) -> list[int]:
    """The width of each column; the widest columns of paths are made narrower until all fit, or are as narrow as may be."""
    widths = [column.width for column in columns]
    paths = [index for index, column in enumerate(columns) if column.is_path]
    while limit is not None and paths and _total(widths) > limit:
        widest = max(paths, key=lambda index: widths[index])
        if widths[widest] <= _NARROWEST_PATH:
            break
        widths[widest] -= 1
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _align(text: str, column: Column, width: int) -> str:
    if column.is_path:
        return fit_path(text, width)
    return " " * (width - cell_len(text)) + text if column.is_number else set_cell_size(text, width)


def fit(text: str, width: int) -> str:
    """Text padded or cut to a width in terminal cells; text that is cut ends in an ellipsis."""
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def fit_path(path: str, width: int) -> str:
    """A path padded or cut to a width in terminal cells: its folders are cut first, then the beginning of its name."""
    if cell_len(path) > width and "/" in path.rstrip("/"):
        path = "…/" + path.rstrip("/").rpartition("/")[2]
    if cell_len(path) > width:
        while cell_len(path) >= width:
            path = path[1:]
        path = "…" + path
    return set_cell_size(path, width)
