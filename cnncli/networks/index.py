"""The index of networks: what timm and torchvision offer, as a table that is read without either.

`indexing.py` writes it. Whoever lists networks or looks for a name reads it in milliseconds, where asking the
libraries themselves takes seconds.
"""

import csv
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from cnncli.records.networks import LIBRARIES, IndexEntry

FILE = Path(__file__).with_name("index.tsv")

_COLUMNS = [field.name for field in dataclasses.fields(IndexEntry)]


class _Row(TypedDict):
    """A line of the file, by its header."""

    name: str
    library: str
    num_classes: str
    parameters: str
    multiply_adds: str
    image_size: str
    top1: str
    top5: str
    published: str


def read(file: Path = FILE) -> list[IndexEntry]:
    """All networks, in the file's order: by name."""
    with file.open(encoding="utf-8", newline="") as stream:
        return [_entry(row) for row in csv.DictReader(stream, delimiter="\t")]  # type: ignore[arg-type]


def write(entries: Iterable[IndexEntry], file: Path = FILE) -> None:
    """Replace the file by these networks, sorted by name."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, delimiter="\t", lineterminator="\n")
        rows.writerow(_COLUMNS)
        rows.writerows(_cells(entry) for entry in sorted(entries, key=lambda entry: entry.name))


def _entry(row: _Row) -> IndexEntry:
    height, width = row["image_size"].split("x")
    library = row["library"]
    return IndexEntry(
        name=row["name"],
        library=next(known for known in LIBRARIES if known == library),
        num_classes=int(row["num_classes"]),
        parameters=int(row["parameters"]),
        multiply_adds=int(row["multiply_adds"]) if row["multiply_adds"] else None,
        image_size=(int(height), int(width)),
        top1=float(row["top1"]) if row["top1"] else None,
        top5=float(row["top5"]) if row["top5"] else None,
        published=row["published"] == "yes",
    )


def _cells(entry: IndexEntry) -> list[str | int | float | None]:
    height, width = entry.image_size
    return [
        entry.name,
        entry.library,
        entry.num_classes,
        entry.parameters,
        entry.multiply_adds,
        f"{height}x{width}",
        entry.top1,
        entry.top5,
        "yes" if entry.published else "no",
    ]
