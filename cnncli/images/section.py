"""Parts of files as streams of their own: the members of an archive."""

import io
from typing import BinaryIO, cast

from cnncli.dataclass import frozen_dataclass
from cnncli.records.predictions import UnreadableError
from cnncli.window import Window

WHOLE = 64 << 20
"""Largest image file in bytes that is read at once; the decoder reads a larger one piece by piece."""


@frozen_dataclass
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
        window = Window(lambda start, stop: _read(stream, section, start, stop), section.size, stream.close)
        return cast("BinaryIO", io.BufferedReader(window))
    with stream:
        content = _read(stream, section, 0, section.size)
    if not content:
        raise UnreadableError("the file that it is in ends before it" if section.size else "an empty file")
    return io.BytesIO(content)


def _read(stream: BinaryIO, section: Section, start: int, stop: int) -> bytes:
    """The bytes of a part of a file from `start` to before `stop`, counted from its beginning."""
    stream.seek(section.offset + start)
    return stream.read(stop - start)
