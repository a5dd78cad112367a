"""The output formats of `predict`, one row each. A new format is a new row (and its renderer)."""

import enum
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cnncli.records.predictions import Record
from cnncli.render.lines import Csv, Json, JsonLines, Renderer, Tsv
from cnncli.render.resume import CSV_READER, JSONL_READER, TSV_READER, RecordReader

WriteRecord = Callable[[Record], None]


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """The properties of a format.

    Attributes:
        endings: suffixes of its files, in lower case; none for a format that is for the terminal only.
        renderer: from the labels of all classes, what turns records into text; None for a format that is not text.
        writer: opens a file and yields a function that appends a record; for a format that is not text.
        reader: reads back an incomplete file; None if a file cannot be resumed.
        has_reasons: whether a record has the reason why an image could not be read.
        package: that it needs; the extra with the format's name installs it.
    """

    endings: tuple[str, ...] = ()
    renderer: Callable[[Sequence[str]], Renderer] | None = None
    writer: Callable[[Path], AbstractContextManager[WriteRecord]] | None = None
    reader: RecordReader | None = None
    has_reasons: bool = True
    package: str | None = None


def _table(labels: Sequence[str]) -> Renderer:
    import rich.console

    from cnncli.render.prediction_table import PredictionTable

    return PredictionTable(rich.console.Console(), labels)


def _parquet(file: Path) -> AbstractContextManager[WriteRecord]:
    from cnncli.render.parquet import parquet_writer

    return parquet_writer(file)


class Format(enum.StrEnum):
    """A format by its name for `--format`, with its specification."""

    spec: FormatSpec

    def __new__(cls, name: str, spec: FormatSpec) -> Self:
        """A member whose value is its name, as in every StrEnum."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.spec = spec
        return member

    TABLE = "table", FormatSpec(renderer=_table)
    TSV = (
        "tsv",
        FormatSpec(("", ".txt", ".tsv"), renderer=lambda _: Tsv(), reader=TSV_READER, has_reasons=False),
    )
    CSV = "csv", FormatSpec((".csv",), renderer=lambda _: Csv(), reader=CSV_READER)
    JSONL = "jsonl", FormatSpec((".jsonl", ".ndjson"), renderer=lambda _: JsonLines(), reader=JSONL_READER)
    JSON = "json", FormatSpec((".json",), renderer=lambda _: Json())
    PARQUET = "parquet", FormatSpec((".parquet",), writer=_parquet, package="pyarrow")


def format_of(file: Path) -> Format | None:
    """The format with a file's suffix; None if there is none."""
    ending = file.suffix.lower()
    return next((format_ for format_ in Format if ending in format_.spec.endings), None)
