"""Lists of image paths: one per line in a file or a pipe, or a column of a table."""

import codecs
import csv
import io
import os
import select
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from cnncli.errors import InputError
from cnncli.images.container import open_container, reason
from cnncli.images.file_names import STDIN, is_parquet
from cnncli.records.predictions import UnreadableError
from cnncli.regular_file import bounded_lines, open_regular
from cnncli.text import BYTE_ORDER_MARKS, SEPARATORS, encoding_of, is_url, text_stream

_MAX_PATH_BYTES = 65536
"""Longest path of a list in bytes; no system has longer ones, and a device has no end."""

_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
"""Where a shell's process substitution, `<(…)`, leads."""

STALL_SECONDS = 0.1
"""Seconds without a new line on a pipe after which an incomplete batch is used."""


def read_paths(file: str, stdin: BinaryIO, *, separator: bytes, path_column: str) -> Iterator[str | None]:
    """The paths in a list, here or on a server; None while a pipe is silent.

    Args:
        file: path or URL; `-` is standard input. A CSV, TSV or Parquet file is a table.
        stdin: where `-` is read from.
        separator: as of `read_list`.
        path_column: column of a table with the paths.

    Raises:
        InputError: it cannot be read, or is not a list of paths.
    """
    if not is_table(file):
        with open_list(file, stdin) as stream:
            yield from read_list(stream, separator=separator)
        return
    try:
        cells = _parquet_paths(file, path_column) if is_parquet(file) else _csv_paths(file, path_column)
        yield from filter(None, cells)
    except (OSError, UnreadableError) as error:
        raise InputError(f"cannot read the list {file}: {reason(error)}") from error


def is_table(file: str) -> bool:
    """Whether a list is a table, by its name."""
    return is_parquet(file) or os.path.splitext(file)[1].lower() in SEPARATORS


def _parquet_paths(file: str, column: str) -> Iterator[str]:
    from cnncli.images.parquet_file import read_column

    for value in read_column(file, column):
        if value is not None and not isinstance(value, str):
            raise UnreadableError(f"its column {column!r} holds no paths (--path-column)")
        yield value or ""


def _csv_paths(file: str, column: str) -> Iterator[str]:
    separator = SEPARATORS[os.path.splitext(file)[1].lower()]
    try:
        with text_stream(open_container(file)) as stream:
            rows = csv.DictReader(bounded_lines(stream), delimiter=separator, strict=True)
            if column not in (rows.fieldnames or ()):
                names = ", ".join(repr(name[:40]) for name in (rows.fieldnames or ())[:8]) or "nothing"
                raise UnreadableError(f"no column {column!r}; its first line has {names} (--path-column)")
            for row in rows:
                yield row[column] or ""
    except (csv.Error, ValueError) as error:
        raise UnreadableError(f"not valid CSV: {error}") from error


def read_list(stream: BinaryIO, *, separator: bytes = b"\n") -> Iterator[str | None]:
    r"""The paths in a list, taken literally, as they arrive.

    Args:
        stream: of bytes in UTF-8, UTF-16 or UTF-32; read from its descriptor where it has one, so that each path in a pipe is used as soon as it
            arrives.
        separator: `\n` (a `\r` before it is dropped, empty lines are skipped) or `\0`.

    Yields:
        None whenever a pipe was silent for `STALL_SECONDS`, so that an incomplete batch can be used.

    Raises:
        InputError: it cannot be read, or is not a list of paths.
    """
    rest = b""
    empty = 0
    chunks = _chunks(stream)
    for chunk in chunks if separator == b"\0" else _utf8(chunks):
        if chunk is None:
            yield None
            continue
        *lines, rest = (rest + chunk).split(separator)
        empty = 0 if any(lines) else empty + len(lines)
        if max(len(rest), empty) > _MAX_PATH_BYTES:
            raise InputError(
                f"this is not a list of paths: {_MAX_PATH_BYTES:,} bytes without one",
                "a list written by find -print0 needs -0",
            )
        yield from _paths(lines, separator)
    yield from _paths([rest], separator)


def _utf8(chunks: Iterable[bytes | None]) -> Iterator[bytes | None]:
    """A list in UTF-8 without a byte order mark, whatever encoding it was saved in."""
    start, decoder = b"", None
    is_begun = False
    for chunk in chunks:
        if chunk is None:
            yield None
        elif is_begun:
            yield decoder.decode(chunk).encode("utf-8", "surrogateescape") if decoder else chunk
        else:
            start += chunk
            is_begun = not any(mark != start and mark.startswith(start) for mark in BYTE_ORDER_MARKS)
            if is_begun:
                decoder = _decoder(start)
                yield decoder.decode(start).encode("utf-8", "surrogateescape") if decoder else start
    if not is_begun:
        yield start


def _decoder(start: bytes) -> codecs.IncrementalDecoder | None:
    """The decoder of a list that begins with these bytes; None for plain UTF-8, which needs none."""
    encoding = encoding_of(start)
    if encoding == "utf-8":
        return None
    return codecs.getincrementaldecoder(encoding)("surrogateescape" if encoding == "utf-8-sig" else "replace")


def _paths(lines: Sequence[bytes], separator: bytes) -> Iterator[str]:
    for line in lines:
        name = line.removesuffix(b"\r") if separator == b"\n" else line
        if name:
            yield os.fsdecode(name)


def _chunks(stream: BinaryIO, size: int = 65536) -> Iterator[bytes | None]:
    """The content of a stream in pieces; None for each stall of a pipe."""
    try:
        descriptor = stream.fileno()
    except (OSError, io.UnsupportedOperation):  # in memory, or on a server
        yield from iter(lambda: stream.read(size), b"")
        return
    can_stall = os.name == "posix" and not stat.S_ISREG(os.fstat(descriptor).st_mode)
    while True:
        if can_stall and not select.select([descriptor], [], [], STALL_SECONDS)[0]:
            yield None
            continue
        try:
            chunk = os.read(descriptor, size)
        except OSError as error:
            raise InputError(f"cannot read the list: {error.strerror}") from error
        if not chunk:
            return
        yield chunk


def open_list(path: str, stdin: BinaryIO) -> BinaryIO:
    """Open a list of paths; `-` is standard input.

    Raises:
        InputError: the list cannot be opened.
    """
    if path == STDIN:
        return stdin
    try:
        if is_url(path):
            return open_container(path)
        return open(path, "rb") if path.startswith(_DESCRIPTORS) else open_regular(path)
    except OSError as error:
        raise InputError(f"cannot read the list {path}: {error.strerror}") from error
