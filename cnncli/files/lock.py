"""A lock that keeps two processes from writing the same file or folder."""

import contextlib
import errno
import os
import warnings
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from cnncli.regular_file import open_regular


class FileLock:
    """A lock file, held from its creation until `release`, which deletes it; the end of the process releases it, too.

    Where a file system has no locks, it is never held by another process.
    """

    def __init__(self, path: Path, *, waits: bool = False) -> None:
        """Lock a file.

        Args:
            path: the lock file, which is created; nothing else may be written to it.
            waits: whether to wait until another process has released it.

        Raises:
            BlockingIOError: another process holds the lock.
            OSError: the lock file cannot be created.
        """
        self.path = path
        while True:
            self._stream = open_regular(path, "ab")
            try:
                _lock(self._stream, waits=waits)
                if self._is_current():
                    return
            except BaseException:
                self._stream.close()
                raise
            self._stream.close()  # its last holder has just deleted it

    def _is_current(self) -> bool:
        """Whether the locked file is still the one at the path."""
        try:
            return os.path.samestat(os.fstat(self._stream.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Delete the lock file and release the lock."""
        if self._stream.closed:
            return
        with contextlib.suppress(OSError):  # Windows does not delete open files
            self.path.unlink()
        self._stream.close()
        if os.name == "nt":
            with contextlib.suppress(OSError):
                self.path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def _lock(stream: BinaryIO, *, waits: bool) -> None:
    """Lock an open file.

    Raises:
        BlockingIOError: another process holds the lock.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the system has no locks at all
        import filelock
    try:
        is_held = filelock.lock_descriptor(stream.fileno(), blocking=waits)
    except OSError:  # some systems and network file systems have no locks
        return
    if not is_held:
        raise BlockingIOError(errno.EAGAIN, "another process holds the lock")
