"""Keeps two runs from writing one file."""

from typing import BinaryIO


def lock(stream: BinaryIO, *, waits: bool = False) -> None:
    """Keep other runs out of a file, where the file system knows how to.

    Args:
        stream: open until the lock is let go.
        waits: until another run has let go.

    Raises:
        BlockingIOError: another run is in.
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
