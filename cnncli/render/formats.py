"""The output formats of `predict`, one row each. A new format is a new row (and its renderer)."""

import enum
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from cnncli.dataclass import frozen_dataclass
from cnncli.records.predictions import Record, RecordLayout
from cnncli.render.lines import Csv, Json, JsonLines, Renderer, Tsv

if TYPE_CHECKING:
    from cnncli.render.resume import RecordReader

WriteRecord = Callable[[Record], None]


@frozen_dataclass
class FormatSpec:
    """The properties of a format.

    Attributes:
        endings: suffixes of its files, in lower case; none for a format that is for the terminal only.
        renderer: what turns records of a layout into text; None for a format that is not text.
        writer: opens a file or stream and yields a function that appends a record; for a format that is not text.
        joiner: writes the records of several files to one; None for a format whose files cannot be joined.
        reader: returns what reads back an incomplete file; None if a file cannot be resumed.
        has_reasons: whether a record has the reason why an image could not be read.
        has_exif: whether it can say when, with what and where a photograph was taken.
        package: that it needs; the extra with the format's name installs it.
    """

    endings: tuple[str, ...] = ()
    renderer: Callable[[RecordLayout], Renderer] | None = None
    writer: Callable[[Path | BinaryIO, RecordLayout], AbstractContextManager[WriteRecord]] | None = None
    joiner: Callable[[Iterable[bytes], Path], None] | None = None
    reader: "Callable[[], RecordReader] | None" = None
    has_reasons: bool = True
    has_exif: bool = False
    package: str | None = None


def _table(layout: RecordLayout) -> Renderer:
    import rich.console

    from cnncli.render.prediction_table import PredictionTable

    return PredictionTable(rich.console.Console(), layout)


def _parquet(file: Path | BinaryIO, layout: RecordLayout) -> AbstractContextManager[WriteRecord]:
    from cnncli.render.parquet import parquet_writer

    return parquet_writer(file, layout.tasks, has_exif=layout.has_exif)


def _tsv_reader() -> "RecordReader":
    from cnncli.render.resume import TSV_READER

    return TSV_READER


def _csv_reader() -> "RecordReader":
    from cnncli.render.resume import CSV_READER

    return CSV_READER


def _jsonl_reader() -> "RecordReader":
    from cnncli.render.resume import JSONL_READER

    return JSONL_READER


def _join_parquet(parts: Iterable[bytes], file: Path) -> None:
    from cnncli.render.parquet import join_parquet

    join_parquet(parts, file)


def _join_lines(parts: Iterable[bytes], file: Path) -> None:
    with file.open("wb") as stream:
        stream.writelines(parts)


def _join_csv(parts: Iterable[bytes], file: Path) -> None:
    header = b""
    with file.open("wb") as stream:
        for part in parts:
            stream.write(part.removeprefix(header))
            header = part[: part.find(b"\n") + 1]


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
        FormatSpec(
            ("", ".txt", ".tsv"),
            renderer=lambda layout: Tsv(layout.tasks),
            reader=_tsv_reader,
            joiner=_join_lines,
            has_reasons=False,
        ),
    )
    CSV = (
        "csv",
        FormatSpec(
            (".csv",),
            renderer=lambda layout: Csv(layout.tasks, layout.has_exif),
            reader=_csv_reader,
            joiner=_join_csv,
            has_exif=True,
        ),
    )
    JSONL = (
        "jsonl",
        FormatSpec(
            (".jsonl", ".ndjson"),
            renderer=lambda layout: JsonLines(layout.has_exif),
            reader=_jsonl_reader,
            joiner=_join_lines,
            has_exif=True,
        ),
    )
    JSON = (
        "json",
        FormatSpec((".json",), renderer=lambda layout: Json(has_exif=layout.has_exif), has_exif=True),
    )
    PARQUET = (
        "parquet",
        FormatSpec((".parquet",), writer=_parquet, joiner=_join_parquet, has_exif=True, package="pyarrow"),
    )


@contextmanager
def open_writer(format_: Format, stream: BinaryIO, layout: RecordLayout) -> Iterator[WriteRecord]:
    """A function that appends a record to a stream, which is complete when the block ends.

    Args:
        format_: one that is not for the terminal only.
        stream: to write to.
        layout: of the records.
    """
    if format_.spec.writer:
        with format_.spec.writer(stream, layout) as write:
            yield write
    elif format_.spec.renderer:
        renderer = format_.spec.renderer(layout)
        stream.write(renderer.begin().encode())
        yield lambda record: _append(stream, renderer.record(record))
        stream.write(renderer.end().encode())


def _append(stream: BinaryIO, text: str) -> None:
    stream.write(text.encode())


def format_of(file: Path) -> Format | None:
    """The format with a file's suffix; None if there is none."""
    ending = file.suffix.lower()
    return next((format_ for format_ in Format if ending in format_.spec.endings), None)
