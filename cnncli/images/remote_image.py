"""An image on a server or in an object store."""

import hashlib
import io
from dataclasses import field
from typing import BinaryIO

from cnncli import remote
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import CnncliError
from cnncli.images.section import WHOLE
from cnncli.records.predictions import ImageSource, Stamp, UnreadableError


@frozen_dataclass
class RemoteImage(ImageSource):
    """An image by its URL. Nothing is written to a disk.

    Attributes:
        file: what a listing said about it; None if its URL was given.
    """

    file: remote.RemoteFile | None = field(default=None, compare=False)

    @property
    def is_remote(self) -> bool:
        """True: each image is at least one request."""
        return True

    def open(self) -> BinaryIO:
        """The file in memory, read with one request; a very large one as a stream."""
        try:
            content = self._read()
        except CnncliError as error:
            raise UnreadableError("; ".join(filter(None, (error.message, error.hint)))) from error
        if not content:
            raise UnreadableError("an empty file")
        return io.BytesIO(content) if len(content) <= WHOLE else remote.open_stream(self.path)

    def _read(self) -> bytes:
        """The file, or more than `WHOLE` bytes of a larger one."""
        size = self.file.size if self.file else None
        if size == 0:
            return b""
        whole = size is not None and size <= WHOLE
        return remote.read(self.path) if whole else remote.read(self.path, 0, WHOLE + 1)

    def stamp(self) -> Stamp | None:
        """Size and version as listed, or else as the server says."""
        try:
            file = self.file or remote.info(self.path)
        except (OSError, CnncliError):
            return None
        return None if file.size is None else Stamp(file.size, _number(file.version))


def _number(version: str) -> int:
    """A version as a number of 56 bits."""
    return int.from_bytes(hashlib.sha256(version.encode()).digest()[:7])
