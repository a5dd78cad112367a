"""Remembers which files of model folders match their digests, so that each is read and compared once, not at every start.

A file counts as the one that was compared while its device, inode, size and modification time are the same. The memory is one
small file per inode in the cache, `CNNCLI_HOME/verified-1/`; where it cannot be written, files are compared every time.
"""

import contextlib
import hashlib
import os
from pathlib import Path

from cnncli.files.whole import whole_file
from cnncli.networks.cache import home


def is_verified(file: Path, digest: str) -> bool:
    """Whether the file has been compared with this SHA-256 before, and is unchanged since then.

    Raises:
        OSError: the file cannot be accessed.
    """
    identity = _identity(file, digest)
    try:
        return _memory(file).read_bytes() == identity
    except OSError:
        return False


def remember(file: Path, digest: str) -> None:
    """Make `is_verified` true for a file that has just been compared, wherever its folder is renamed to within its disk."""
    with contextlib.suppress(OSError):
        memory = _memory(file)
        memory.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(memory, overwrite=True) as draft:
            draft.write_bytes(_identity(file, digest))


def _memory(file: Path) -> Path:
    """The file that remembers; it is named by device and inode, which renaming a folder does not change."""
    status = file.stat()
    name = hashlib.sha256(f"{status.st_dev}:{status.st_ino}".encode()).hexdigest()[:32]
    return home() / "verified-1" / name


def _identity(file: Path, digest: str) -> bytes:
    status = os.stat(file)  # noqa: PTH116 - follows links, as reading does
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{digest}".encode()
