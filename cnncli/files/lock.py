"""A lock that keeps two runs from writing the same file."""

from typing import BinaryIO


def lock(stream: BinaryIO, *, waits: bool = False) -> None:
    """Lock a file, if the file system supports locks.

    Args:
        stream: the open file; closing it releases the lock.
        waits: whether to wait until another run has released it.

    Raises:
        BlockingIOError: another run holds the lock.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows, which does not let two processes write one file anyway
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # some network file systems cannot lock
        return
