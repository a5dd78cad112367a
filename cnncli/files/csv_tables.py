"""Tables that are saved as CSV files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from cnncli.text import csv_row


@dataclass(frozen=True, slots=True)
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
        """Write the table as CSV."""
        stream.writelines(csv_row(row) for row in (self.header, *self.rows))


def write_tables(folder: Path, tables: Iterable[Table]) -> None:
    """Write each table to the file of its name; bytes of a path that are not UTF-8 are written unchanged.

    Raises:
        OSError: a table cannot be written.
    """
    for table in tables:
        with (folder / table.name).open(
            "w", encoding="utf-8", errors="surrogateescape", newline=""
        ) as stream:
            table.write(stream)
