"""Tables that are kept as CSV files."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO


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


def csv_row(values: Sequence[str | int | float | None]) -> str:
    """A row of CSV, which ends with a line feed.

    With its own line end, the csv module knows to quote a lone carriage return; without, a name with one would end the row.
    """
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue().removesuffix("\r\n") + "\n"


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
