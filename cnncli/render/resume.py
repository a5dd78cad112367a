"""Reading back an incomplete output file: which inputs it has records for, and where the next record goes."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import OutputError
from cnncli.records.predictions import UNREADABLE, ImageSource, RecordLayout, Unreadable
from cnncli.records.tasks import has_several, kinds_of
from cnncli.regular_file import open_regular
from cnncli.render.lines import NO_LABEL, csv_header
from cnncli.text import parse_json, path_text, tsv_text


@frozen_dataclass
class CompleteRecord:
    """An input whose record is complete in the file.

    Attributes:
        path: as the format writes it.
        is_unreadable: the image could not be read.
        end: offset in bytes after the record's last line.
    """

    path: str
    is_unreadable: bool
    end: int


@frozen_dataclass
class ResumePoint:
    """Where writing resumes.

    Attributes:
        records: number of complete records.
        unreadable: number of those without a prediction.
        end: offset in bytes after the last complete record.
    """

    records: int
    unreadable: int
    end: int


class Lines:
    """The complete lines of a stream, and the offset in bytes after the last one that was read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._is_foreign = False
        self.end = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            if not line.endswith(b"\n"):
                return
            self._is_foreign = line.endswith(b"\r\n")
            self.end += len(line)
            yield line.decode("utf-8")

    def require_own_end(self) -> None:
        """Raise ValueError if another program wrote the last line. Call this at the end of a record only.

        Within a record, a quoted path may contain any line end.
        """
        if self._is_foreign:
            raise ValueError("line ends of another program")


@frozen_dataclass
class RecordReader:
    """How the records of a format are read back.

    Attributes:
        read: from the lines of a file with records of a layout, yields the complete ones in order, and stops before one that is
            not, or that may not be. Raises ValueError where a complete line is not a record.
        written_path: a path as the format writes it.
    """

    read: Callable[[Lines, RecordLayout], Iterator[CompleteRecord]]
    written_path: Callable[[str], str]


def skip_complete(
    inputs: Iterator[ImageSource | Unreadable | None], part: Path, reader: RecordReader, layout: RecordLayout
) -> ResumePoint:
    """Consume the inputs that a file already has a record for, in order.

    Args:
        inputs: as in the run that wrote the file; None is skipped.
        part: the file.
        reader: of its format.
        layout: of the records.

    Raises:
        OutputError: the inputs are not the same, so that records would be mixed up; or the file is damaged before its end.
    """
    point = ResumePoint(0, 0, 0)
    with open_regular(part) as stream:
        entries = reader.read(Lines(stream), layout)
        while entry := _next(entries, part, point):
            path = next((item.path for item in inputs if item), None)
            if path is None or reader.written_path(path) != entry.path:
                now = "there are no more inputs" if path is None else f"it is {path}"
                raise OutputError(
                    f"cannot resume {part}: its record {point.records + 1} is of {entry.path}, now {now}",
                    "give the same inputs, or start again with --overwrite",
                )
            point = ResumePoint(point.records + 1, point.unreadable + entry.is_unreadable, entry.end)
    return point


def _next(entries: Iterator[CompleteRecord], part: Path, point: ResumePoint) -> CompleteRecord | None:
    try:
        return next(entries, None)
    except ValueError as error:
        raise OutputError(
            f"cannot resume {part}: it is damaged after record {point.records} (byte {point.end})",
            "cut it there, or start again with --overwrite",
        ) from error


def _read_tsv(lines: Lines, layout: RecordLayout) -> Iterator[CompleteRecord]:
    unreadable = [NO_LABEL, ""] * len(kinds_of(layout.tasks))
    for line in lines:
        lines.require_own_end()
        path, *cells = line.rstrip("\n").split("\t")
        if len(cells) != len(unreadable):
            raise ValueError("not a record")
        yield CompleteRecord(path, cells == unreadable, lines.end)


def _read_jsonl(lines: Lines, _: RecordLayout) -> Iterator[CompleteRecord]:
    for line in lines:
        lines.require_own_end()
        document = parse_json(line)
        if not isinstance(document, dict) or not {"path", "status"} <= document.keys():
            raise ValueError("not a record")
        yield CompleteRecord(document["path"], document["status"] == UNREADABLE, lines.end)


def _read_csv(lines: Lines, layout: RecordLayout) -> Iterator[CompleteRecord]:
    """The records of a csv file; a quoted path may span lines."""
    reader = csv.reader(lines, strict=True)
    header = csv_header(layout.tasks, has_exif=layout.has_exif)
    try:
        next(reader, None)
        rows = (dict(zip(header, row, strict=True)) for row in reader)
        complete_records = _counted_rows if layout.rows_per_image else _grouped_rows
        yield from complete_records(rows, lines, layout)
    except csv.Error as error:
        if "unexpected end" not in str(error):  # the file ends within a quoted path
            raise ValueError(str(error)) from error


CsvCells = dict[str, str]
"""A row of a csv file by the names of its columns."""


def _counted_rows(rows: Iterator[CsvCells], lines: Lines, layout: RecordLayout) -> Iterator[CompleteRecord]:
    """Records of equally many rows: one is complete when its last rank is there."""
    for row in rows:
        lines.require_own_end()
        if row["status"] == UNREADABLE or int(row["rank"]) == layout.rows_per_image:
            yield CompleteRecord(row["path"], row["status"] == UNREADABLE, lines.end)


def _grouped_rows(rows: Iterator[CsvCells], lines: Lines, layout: RecordLayout) -> Iterator[CompleteRecord]:
    """Records whose number of rows varies: one is complete where the next one begins, so the last one may not be."""
    first_task = layout.tasks[0].name if has_several(layout.tasks) else None
    path, end = None, lines.end
    for row in rows:
        lines.require_own_end()
        is_unreadable = row["status"] == UNREADABLE
        is_first = is_unreadable or (row.get("task") == first_task and int(row["rank"]) <= 1)
        if is_first and path is not None:
            yield CompleteRecord(path, is_unreadable=False, end=end)
        path, end = row["path"], lines.end
        if is_unreadable:
            yield CompleteRecord(path, is_unreadable=True, end=end)
            path = None


def _tsv_path(path: str) -> str:
    return tsv_text(path_text(path))


TSV_READER = RecordReader(_read_tsv, _tsv_path)
CSV_READER = RecordReader(_read_csv, path_text)
JSONL_READER = RecordReader(_read_jsonl, path_text)
