"""Tables that are saved as CSV files."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from cnncli.dataclass import frozen_dataclass
from cnncli.text import csv_row, join_path, original_text, path_text


@frozen_dataclass
class Table:
    """A CSV file.

    Attributes:
        name: of the file.
        header: column names.
        rows: values, one sequence per row.
    """

    name: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[str | int | float | None]]

    def write(self, stream: TextIO) -> None:
        """Write the table as CSV; bytes that are not UTF-8, as paths may hold, are percent-encoded."""
        stream.writelines(
            csv_row([path_text(cell) if isinstance(cell, str) else cell for cell in row])
            for row in (self.header, *self.rows)
        )


def write_tables(folder: Path, tables: Iterable[Table]) -> None:
    """Write each table to the file of its name.

    Raises:
        OSError: a table cannot be written.
    """
    for table in tables:
        with (folder / table.name).open("w", encoding="utf-8", newline="") as stream:
            table.write(stream)


def listed_path(root: str, cell: str) -> str:
    """The path of a file that a table lists, joined to `root`; percent-encoded as `Table.write` does, or literal."""
    literal, decoded = join_path(root, cell), join_path(root, original_text(cell))
    return literal if decoded == literal or os.path.lexists(literal) else decoded
