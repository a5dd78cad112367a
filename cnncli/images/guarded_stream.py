"""A stream that ends the search of a decoder through endless junk.

Some of Pillow's plugins look for the next marker byte by byte, in Python and with the interpreter's lock held: a JPEG header
followed by zeros, as recovered and preallocated files have, takes seconds per 10 MB.
"""

from typing import Any, BinaryIO

from cnncli.records.predictions import UnreadableError

_SMALL, _MAX_SMALL_READS = 8, 1_000_000
"""Bytes of a small read, and how many an image may take: a PNG of 1.4 GB in the usual chunks of 8 KB takes 350,000."""


class GuardedStream:
    """A binary stream with a limited number of small reads; everything else is the stream's own."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._small_reads = 0
        self.seek, self.tell = stream.seek, stream.tell  # often called

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes.

        Raises:
            UnreadableError: too many small reads.
        """
        if 0 <= size <= _SMALL:
            self._small_reads += 1
            if self._small_reads > _MAX_SMALL_READS:
                raise UnreadableError("damaged: its header is followed by junk")
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        """Anything else, as Pillow finds it: `fileno` of files, `getvalue` of bytes in memory."""
        return getattr(self._stream, name)
