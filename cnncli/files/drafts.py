"""The names of drafts, which say whose they are, so that those of killed processes can be removed."""

import contextlib
import functools
import hashlib
import os
import re
import shutil
import time
import uuid
from pathlib import Path

DRAFT = ".draft"
"""The ending of the names of drafts, which begin with a dot."""

_STALE = 24 * 3600
"""Age in seconds from which the draft of another machine counts as left over."""

_NAME = re.compile(rf"\.([0-9a-f]{{8}})-(\d+)-[0-9a-f]{{12}}{re.escape(DRAFT)}")
"""Machine and process of the owner, then random digits."""


def draft_path(target: Path) -> Path:
    """A new name for a draft beside a target; it cannot be guessed, and is short enough for every file system."""
    return target.with_name(f".{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:12]}{DRAFT}")


@functools.cache
def _machine() -> str:
    """Eight hexadecimal digits for this machine, or for this container, whose processes have numbers of their own."""
    import platform

    namespace = ""
    with contextlib.suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    return hashlib.sha256(f"{platform.node()} {namespace}".encode("utf-8", "replace")).hexdigest()[:8]


def remove_abandoned_drafts(folder: Path) -> None:
    """Delete the drafts in a folder whose processes have ended, as far as possible.

    Those of other machines, whose processes cannot be known, are deleted when they are a day old.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(DRAFT)]
        for name in names:
            owner = _NAME.fullmatch(name)
            if owner and _is_abandoned(folder / name, owner[1], int(owner[2])):
                delete(folder / name)


def _is_abandoned(draft: Path, machine: str, process: int) -> bool:
    if machine == _machine():
        return not _is_alive(process)
    try:
        return time.time() - draft.lstat().st_mtime > _STALE
    except OSError:  # its process may have renamed it
        return False


def delete(path: Path) -> None:
    """Delete a file, a folder, or a link, but not what the link leads to, as far as possible."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _is_alive(process: int) -> bool:
    """Whether a process exists; True where that cannot be known."""
    try:
        if os.name == "nt":  # where os.kill would end it
            import psutil

            return bool(psutil.pid_exists(process))
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except (ImportError, OSError):
        return True
    return True
