"""Parts of files as streams of their own: the members of an archive."""

import io
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from cnncli.records.predictions import UnreadableError

WHOLE = 64 << 20
"""Largest image file in bytes that is read at once; the decoder reads a larger one piece by piece."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a file.

    Attributes:
        offset: of its first byte.
        size: in bytes.
    """

    offset: int
    size: int


def open_section(stream: BinaryIO, section: Section) -> BinaryIO:
    """A part of a file as a stream, which closes the file in the end.

    Raises:
        UnreadableError: the file ends before it.
    """
    if section.size > WHOLE:
        return cast("BinaryIO", io.BufferedReader(_Window(stream, section)))
    with stream:
        stream.seek(section.offset)
        content = stream.read(section.size)
    if not content:
        raise UnreadableError("the file that it is in ends before it" if section.size else "an empty file")
    return io.BytesIO(content)


class _Window(io.RawIOBase):
    """A part of a stream."""

    def __init__(self, stream: BinaryIO, section: Section) -> None:
        self._stream, self._section, self._position = stream, section, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._section.size}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        view = memoryview(buffer).cast("B")
        count = max(min(len(view), self._section.size - self._position), 0)
        self._stream.seek(self._section.offset + self._position)
        content = self._stream.read(count)
        view[: len(content)] = content
        self._position += len(content)
        return len(content)

    def close(self) -> None:
        self._stream.close()
        super().close()
