"""An image in a local file."""

import os
from typing import BinaryIO

from cnncli.dataclass import frozen_dataclass
from cnncli.records.predictions import ImageSource, Stamp, UnreadableError
from cnncli.regular_file import NotRegularError, open_regular


@frozen_dataclass
class LocalFile(ImageSource):
    """An image in a regular file. Opening never blocks, not even on a pipe."""

    def open(self) -> BinaryIO:
        """The file, open for reading."""
        if "\0" in self.path:
            raise UnreadableError("a path cannot contain a NUL byte; a list written by find -print0 needs -0")
        try:
            stream = open_regular(self.path)
        except FileNotFoundError as error:
            if "\\" in self.path and os.path.exists(self.path.replace("\\", "/")):  # noqa: PTH110 - the path is a string
                raise UnreadableError("no such file; there is one with / in place of each \\") from error
            if self.path.startswith("~"):
                raise UnreadableError(
                    "no such file; the shell replaces ~ only where it is not in quotes"
                ) from error
            raise
        except NotRegularError as error:
            raise UnreadableError(error.strerror) from error
        if not os.fstat(stream.fileno()).st_size:
            stream.close()
            raise UnreadableError("an empty file")
        return stream

    def stamp(self) -> Stamp | None:
        """Size and times from the file system; on Windows without the time of the last change, which Python lacks there."""
        try:
            status = os.stat(self.path)  # noqa: PTH116 - the path is a string
        except (OSError, ValueError):
            return None
        changed = 0 if os.name == "nt" else status.st_ctime_ns
        return Stamp(status.st_size, status.st_mtime_ns, changed)
