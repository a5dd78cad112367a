"""Lists of inputs, divided into contiguous ranges of bytes, each with a digest of its own.

A list of 10^8 paths is read once, in constant memory, and one that has changed since is noticed where it has.
"""

import hashlib
import io
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from cnncli import remote
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import InputError, UsageError
from cnncli.images.path_list import is_table, open_list, read_list
from cnncli.images.sources import ImageInput, is_remote_listing, listed_sources
from cnncli.records.predictions import Unreadable
from cnncli.regular_file import open_regular
from cnncli.text import encoding_of, is_url, os_reason

_MAX_PATH_BYTES = 65536
"""Longest path of a list in bytes."""

MAX_PARTS = 1_000_000
"""Parts of a plan, which has a hundred bytes for each."""

_CHUNK = 1 << 20
"""Bytes of a list that are read at a time."""

_REASON = "\0"
"""What comes between a path and the reason why it leads to no image, in a list that `write_list` wrote."""


@frozen_dataclass
class Part:
    """A range of the list.

    Attributes:
        start, stop: in bytes.
        inputs: paths in it.
        sha256: digest of its bytes.
    """

    start: int
    stop: int
    inputs: int
    sha256: str


def write_list(
    inputs: Iterable[ImageInput | None], stream: BinaryIO, separator: bytes, size: int
) -> tuple[Part, ...]:
    """Write the paths of inputs, with the reasons of those that lead to no image, and divide them.

    Args:
        inputs: in order; None is skipped.
        stream: to write to.
        separator: what ends each path.
        size: inputs of a part.

    Raises:
        InputError: a path contains the separator, or a folder on a server cannot be listed.
        UsageError: there are too many parts.
        OSError: the list cannot be written.
    """

    def lines() -> Iterator[bytes]:
        for item in inputs:
            if item:
                _require_listed(item)
                line = _encode(item, separator)
                stream.write(line)
                yield line

    return _require_few(divide(lines(), separator, size))


def _require_listed(item: ImageInput) -> None:
    """Check that an input is not a folder that its server does not list: its images would never be in the plan.

    Raises:
        InputError: it is.
    """
    if isinstance(item, Unreadable) and is_remote_listing(item.path):
        raise InputError(f"cannot list {item.path}: {item.reason}", "a plan needs the names of all inputs")


def _encode(item: ImageInput, separator: bytes) -> bytes:
    path = item.path
    line = os.fsencode(path)
    if separator in line or (separator == b"\n" and line.endswith(b"\r")):
        raise InputError(
            f"the path {path!r} holds a line end, so it cannot be listed",
            "list the inputs with `find … -print0`, and read that list with --files-from - -0",
        )
    if isinstance(item, Unreadable) and separator != _REASON.encode():
        line += os.fsencode(f"{_REASON}{' '.join(item.reason.split())}")
    return line + separator


def _decode(line: str | None) -> str | Unreadable | None:
    """The path in a line that `_encode` wrote, or what is unreadable; None stays None."""
    path, mark, reason = (line or "").partition(_REASON)
    return Unreadable(path, reason) if mark else line


def is_divisible(source: str) -> bool:
    """Whether a list of paths can be read in ranges where it is: not a table, not a pipe, and not in UTF-16."""
    if is_table(source):
        return False
    if not is_url(source) and not os.path.isfile(source):  # noqa: PTH113 - also False for a name that is too long
        return False
    with open_list(source, io.BytesIO()) as stream:
        return encoding_of(stream.read(4)).startswith("utf-8")


def divide_list(source: str, separator: bytes, size: int) -> tuple[Part, ...]:
    """The parts of a list of paths, which is read once.

    Args:
        source: path or URL of the list.
        separator: what ends each path.
        size: lines of a part.

    Raises:
        InputError: it cannot be read, or is not a list of paths.
        UsageError: there are too many parts.
    """
    with open_list(source, io.BytesIO()) as stream:
        return _require_few(divide(iter(lambda: stream.read(_CHUNK), b""), separator, size))


def divide(chunks: Iterable[bytes], separator: bytes, size: int) -> Iterator[Part]:
    """Divide the bytes of a list.

    Args:
        chunks: pieces of the list, of any length.
        separator: what ends each path.
        size: lines of a part.

    Raises:
        InputError: it is not a list of paths.
    """
    start, rest = 0, b""
    waiting: list[bytes] = []
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(separator)
        if len(rest) > _MAX_PATH_BYTES:
            raise InputError(f"this is not a list of paths: {_MAX_PATH_BYTES:,} bytes without a line end")
        waiting += lines
        while len(waiting) >= size:
            part = _part(start, [*waiting[:size], b""], separator)
            del waiting[:size]
            start = part.stop
            if part.inputs:
                yield part
    if (last := _part(start, [*waiting, rest], separator)).inputs:
        yield last


def _require_few(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts, which are held in memory.

    Raises:
        UsageError: they are too many.
    """
    few = tuple(itertools.islice(parts, MAX_PARTS + 1))
    if len(few) > MAX_PARTS:
        raise UsageError(f"more than {MAX_PARTS:,} parts", "use a larger --part-size")
    return few


def _part(start: int, lines: Sequence[bytes], separator: bytes) -> Part:
    """The part of these lines; the last one has no line end."""
    content = separator.join(lines)
    inputs = len(lines) - lines.count(b"") - (lines.count(b"\r") if separator == b"\n" else 0)
    return Part(start, start + len(content), inputs, hashlib.sha256(content).hexdigest())


def read_part(
    location: str, part: Part, separator: bytes, *, has_reasons: bool = False
) -> Iterator[ImageInput | None]:
    """The inputs in a range of a list.

    Args:
        location: path or URL of the list.
        part: the range.
        separator: what ends each path.
        has_reasons: whether `write_list` wrote it.

    Raises:
        InputError: the list cannot be read, or has changed since it was divided.
    """
    content = _read_range(location, part)
    if hashlib.sha256(content).hexdigest() != part.sha256:
        raise InputError(
            f"{location} has changed since it was planned (bytes {part.start:,} to {part.stop:,})",
            "restore it, or plan again in another folder",
        )
    lines = read_list(io.BytesIO(content), separator=separator)
    return listed_sources(map(_decode, lines) if has_reasons else lines)


def _read_range(location: str, part: Part) -> bytes:
    try:
        if is_url(location):
            return remote.read(location, part.start, part.stop)
        with open_regular(location) as stream:
            stream.seek(part.start)
            return stream.read(part.stop - part.start)
    except OSError as error:
        raise InputError(f"cannot read the list {location}: {os_reason(error)}") from error
