"""An image whose bytes have already been read, such as one on standard input."""

import io
from dataclasses import field
from typing import BinaryIO

from cnncli.dataclass import frozen_dataclass
from cnncli.records.predictions import ImageSource, Stamp, UnreadableError


@frozen_dataclass
class InMemory(ImageSource):
    """An image in memory.

    Attributes:
        data: the bytes of the image file.
    """

    data: bytes = field(repr=False)

    def open(self) -> BinaryIO:
        """The bytes as a stream."""
        if not self.data:
            raise UnreadableError("empty: no bytes")
        return io.BytesIO(self.data)

    def stamp(self) -> Stamp | None:
        """None: bytes in memory have no modification time."""
        return None
