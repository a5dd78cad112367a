"""Opening regular files: never a pipe or a device, which may block or have no end, and for writing never through a link.

Knows nothing of formats. Readers of small documents take a limit, since a file may be larger than the memory.
"""

import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, TextIO

Mode = Literal["rb", "wb", "ab", "r+b", "xb"]

DOCUMENT_LIMIT = 64 << 20
"""Largest size in bytes of a document that is read as a whole: a card, a manifest, settings, class names."""

_CHUNK = 1 << 20
"""Bytes that are read at a time."""

LINE_LIMIT = 1 << 20
"""Longest line of a table in characters."""

_FLAGS: dict[str, int] = {
    "rb": os.O_RDONLY,
    "wb": os.O_WRONLY | os.O_CREAT,  # truncated once it is known to be an own file
    "ab": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "r+b": os.O_RDWR,
    "xb": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
}

_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # opening a pipe returns at once
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class NotRegularError(OSError):
    """A path leads to something other than a regular file; `strerror` says what it is."""


def open_regular(path: str | Path, mode: Mode = "rb") -> BinaryIO:
    """Open a regular file.

    Args:
        path: of the file. Reading follows links; writing does not, and refuses a file that has a second name.
        mode: as of `open`.

    Raises:
        NotRegularError: it is a folder, a pipe, a device, or for writing a link.
        OSError: it cannot be opened.
    """
    is_written = mode != "rb"
    if is_written and os.path.islink(path):  # noqa: PTH114 - where O_NOFOLLOW does not exist, this must do
        raise _not_regular("a link, through which nothing is written", path)
    flags = _FLAGS[mode] | _NONBLOCK | _BINARY | (_NOFOLLOW if is_written else 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a pipe that nobody reads
            raise _not_regular("a pipe, not a file", path) from error
        raise
    try:
        _require_regular(descriptor, path, is_written=is_written)
        if mode == "wb":
            os.ftruncate(descriptor, 0)
        return os.fdopen(descriptor, "wb" if mode == "xb" else mode)
    except BaseException:
        os.close(descriptor)
        raise


def _require_regular(descriptor: int, path: str | Path, *, is_written: bool) -> None:
    """Raise NotRegularError unless an open file is regular, and has no second name if it is to be written."""
    status = os.fstat(descriptor)
    if reason := irregularity(status):
        raise _not_regular(reason, path)
    if is_written and status.st_nlink > 1:
        raise _not_regular("a hard link to another file", path)


def irregularity(status: os.stat_result) -> str | None:
    """What something is that is not a regular file; None for a regular file."""
    if stat.S_ISREG(status.st_mode):
        return None
    if stat.S_ISDIR(status.st_mode):
        return "a folder, not a file"
    return "a pipe, not a file" if stat.S_ISFIFO(status.st_mode) else "a device, not a file"


def _not_regular(reason: str, path: str | Path) -> NotRegularError:
    return NotRegularError(errno.EINVAL, reason, str(path))


def read_document(path: str | Path, limit: int = DOCUMENT_LIMIT) -> bytes:
    """The content of a regular file.

    Args:
        path: of the file.
        limit: in bytes.

    Raises:
        OSError: it cannot be read, is not a regular file, or is larger than the limit.
    """
    content = bytearray()
    with open_regular(path) as stream:
        while chunk := stream.read(_CHUNK):  # `read` takes memory for as many bytes as it may return
            content += chunk
            if len(content) > limit:
                raise OSError(errno.EFBIG, f"larger than {limit:,} bytes", str(path))
    return bytes(content)


def read_text(path: str | Path, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The text of a regular file of at most `DOCUMENT_LIMIT` bytes; line ends become newlines, as with `open`.

    Raises:
        OSError: as `read_document`.
        UnicodeDecodeError: it has another encoding.
    """
    with io.TextIOWrapper(io.BytesIO(read_document(path)), encoding, errors) as stream:
        return stream.read()


def contains(path: str | Path, word: bytes) -> bool:
    """Whether the bytes of a regular file contain a word.

    Raises:
        OSError: it cannot be read.
    """
    content = b""
    with open_regular(path) as stream:
        while chunk := stream.read(_CHUNK):
            content = content[max(len(content) - len(word) + 1, 0) :] + chunk  # the word may lie across two
            if word in content:
                return True
    return False


def open_text(
    path: str | Path, encoding: str = "utf-8", errors: str = "strict", newline: str | None = None
) -> TextIO:
    """Open a regular file for reading text.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    return io.TextIOWrapper(open_regular(path), encoding, errors, newline)


def bounded_lines(stream: TextIO, limit: int = LINE_LIMIT) -> Iterator[str]:
    """The lines of a text, with their ends.

    Args:
        stream: the text.
        limit: in characters.

    Raises:
        ValueError: a line is longer.
    """
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        if len(line) > limit:
            raise ValueError(f"line {number:,} is longer than {limit:,} characters")
        yield line
