"""Tables that are kept as CSV files."""

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
        header: of its columns.
        rows: of its values.
    """

    name: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[str | int | float | None]]

    def write(self, stream: TextIO) -> None:
        """As CSV."""
        stream.writelines(csv_row(row) for row in (self.header, *self.rows))


def write_tables(folder: Path, tables: Iterable[Table]) -> None:
    """Each as a file of its name; bytes of a path that are no UTF-8 stay what they are.

    Raises:
        OSError: one cannot be written.
    """
    for table in tables:
        with (folder / table.name).open(
            "w", encoding="utf-8", errors="surrogateescape", newline=""
        ) as stream:
            table.write(stream)
