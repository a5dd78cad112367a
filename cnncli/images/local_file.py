"""An image in a local file."""

import os
import stat
from dataclasses import dataclass
from typing import BinaryIO

from cnncli.records.predictions import ImageSource, Stamp, UnreadableError


@dataclass(frozen=True, slots=True)
class LocalFile(ImageSource):
    """An image in a regular file. Opening never blocks, not even on a pipe."""

    def open(self) -> BinaryIO:
        """The file, open for reading."""
        if "\0" in self.path:
            raise UnreadableError("a path cannot contain a NUL byte; a list written by find -print0 needs -0")
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(self.path, flags)
        except FileNotFoundError as error:
            if "\\" in self.path and os.path.exists(self.path.replace("\\", "/")):  # noqa: PTH110 - the path is a string
                raise UnreadableError("no such file; there is one with / in place of each \\") from error
            raise
        if reason := _reason_without_content(os.fstat(descriptor)):
            os.close(descriptor)
            raise UnreadableError(reason)
        return os.fdopen(descriptor, "rb")

    def stamp(self) -> Stamp | None:
        """Size and times from the file system; on Windows without the time of the last change, which Python lacks there."""
        try:
            status = os.stat(self.path)  # noqa: PTH116 - the path is a string
        except (OSError, ValueError):
            return None
        changed = 0 if os.name == "nt" else status.st_ctime_ns
        return Stamp(status.st_size, status.st_mtime_ns, changed)


def _reason_without_content(status: os.stat_result) -> str | None:
    """The reason why a directory entry cannot be an image, by its kind or size; None if it can."""
    if stat.S_ISDIR(status.st_mode):
        return "a folder, not a file"
    if stat.S_ISFIFO(status.st_mode):
        return "a pipe, not a file"
    if not stat.S_ISREG(status.st_mode):
        return "a device, not a file"
    return None if status.st_size else "an empty file"
