"""Reading back what a line renderer has written: which inputs a torn output file already answers for."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cnncli.errors import OutputError
from cnncli.records.predictions import UNREADABLE, ImageSource, Unreadable
from cnncli.render.lines import NO_LABEL, Format
from cnncli.text import path_text, tsv_text


@dataclass(frozen=True, slots=True)
class Recorded:
    """One input that is done.

    Attributes:
        path: as the format writes it.
        is_unreadable: it could not be read then.
        end: offset in bytes behind its last line.
    """

    path: str
    is_unreadable: bool
    end: int


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """How far an output file has come.

    Attributes:
        records: that are complete.
        unreadable: how many of them have no prediction.
        end: offset in bytes behind the last complete one.
    """

    records: int
    unreadable: int
    end: int


def skip_recorded(
    inputs: Iterator[ImageSource | Unreadable | None], part: Path, format_: Format, rows_per_image: int
) -> ResumePoint:
    """Take off the inputs those that a file already answers for, one by one, in order.

    Args:
        inputs: as in the run that wrote the file; None counts for nothing.
        part: the file.
        format_: TSV, CSV or JSONL.
        rows_per_image: csv rows of an image that could be read.

    Raises:
        OutputError: the inputs are no longer the same, so that going on would mix them up; or the file is
            damaged before its end.
    """
    done = ResumePoint(0, 0, 0)
    with part.open("rb") as stream:
        entries = recorded(stream, format_, rows_per_image)
        while entry := _next(entries, part, done):
            path = next((item.path for item in inputs if item), None)
            if path is None or _as_written(path, format_) != entry.path:
                now = "there are no more inputs" if path is None else f"it is {path}"
                raise OutputError(
                    f"cannot go on from {part}: its record {done.records + 1} is of {entry.path}, now {now}",
                    "give the same inputs, or start again with --overwrite",
                )
            done = ResumePoint(done.records + 1, done.unreadable + entry.is_unreadable, entry.end)
    return done


def _next(entries: Iterator[Recorded], part: Path, done: ResumePoint) -> Recorded | None:
    try:
        return next(entries, None)
    except ValueError as error:
        raise OutputError(
            f"cannot go on from {part}: it is damaged after record {done.records} (byte {done.end})",
            "cut it there, or start again with --overwrite",
        ) from error


def _as_written(path: str, format_: Format) -> str:
    return tsv_text(path_text(path)) if format_ is Format.TSV else path_text(path)


def recorded(stream: BinaryIO, format_: Format, rows_per_image: int) -> Iterator[Recorded]:
    """The complete records of a file, in order; stops before one that is torn.

    Args:
        stream: at its beginning.
        format_: TSV, CSV or JSONL.
        rows_per_image: csv rows of an image that could be read.

    Raises:
        ValueError: a line that is whole, and yet no record.
    """
    lines = _Lines(stream)
    if format_ is Format.CSV:
        yield from _recorded_csv(lines, rows_per_image)
        return
    parse = _READERS[format_]
    for line in lines:
        path, is_unreadable = parse(line)
        yield Recorded(path, is_unreadable, lines.end)


def _read_tsv(line: str) -> tuple[str, bool]:
    path, label, probability = line.rstrip("\n").split("\t")
    return path, label == NO_LABEL and not probability


def _read_jsonl(line: str) -> tuple[str, bool]:
    document = json.loads(line)
    if not isinstance(document, dict) or not {"path", "status"} <= document.keys():
        raise ValueError("not a record")
    return document["path"], document["status"] == UNREADABLE


_READERS: dict[Format, Callable[[str], tuple[str, bool]]] = {Format.TSV: _read_tsv, Format.JSONL: _read_jsonl}


def _recorded_csv(lines: "_Lines", rows_per_image: int) -> Iterator[Recorded]:
    """An image is done when its last rank is there; a quoted path may span lines."""
    reader = csv.reader(lines, strict=True)
    try:
        next(reader, None)  # the header
        for row in reader:
            path, status, rank, *_ = row
            if status == UNREADABLE or int(rank) == rows_per_image:
                yield Recorded(path, status == UNREADABLE, lines.end)
    except csv.Error as error:
        if "unexpected end" not in str(error):  # the file ends within a quoted path
            raise ValueError(str(error)) from error


class _Lines:
    """Complete lines of a stream, and how far they reach."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.end = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            if not line.endswith(b"\n"):
                return
            if line.endswith(b"\r\n"):
                raise ValueError("line ends of another program")
            self.end += len(line)
            yield line.decode("utf-8")
