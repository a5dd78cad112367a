"""Atomic files and folders: written as a draft beside the target, then renamed, so they appear complete or not at all.

Drafts of killed processes are removed when something else is written beside them.
"""

import contextlib
import glob
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from cnncli.errors import OutputError
from cnncli.files.drafts import DRAFT, delete, draft_path, remove_abandoned_drafts
from cnncli.regular_file import open_regular

_FORMER = ".former"
"""The ending of the hidden name that a folder has while it is replaced."""

_WORKING_FOLDER, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux's renameat2; RENAME_SWAP of macOS's renamex_np is 2, too."""


@contextlib.contextmanager
def whole_file(file: Path, *, overwrite: bool, alone: bool = False, sync: bool = False) -> Iterator[Path]:
    """The path of an empty draft, which gets the file's name when the block succeeds; a failure leaves the file as it was.

    Args:
        file: to write.
        overwrite: whether a file of that name is replaced, even one that appears only now.
        alone: whether no other process writes the file. The draft then has a fixed name, so that the next one replaces
            the draft of a killed process.
        sync: whether to wait until the draft is on the disk before it is renamed.

    Raises:
        OutputError: the file exists by now, and must not be replaced.
        OSError: it cannot be written.
    """
    draft = file.with_name(f".{file.name}{DRAFT}") if alone else draft_path(file)
    if alone:
        draft.unlink(missing_ok=True)
    else:
        remove_abandoned_drafts(file.parent)
    open_regular(draft, "xb").close()  # whoever knows the name could otherwise have put a link there
    try:
        yield draft
        if sync:
            with draft.open("rb+") as stream:
                os.fsync(stream.fileno())
        publish(draft, file, overwrite=overwrite)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def publish(draft: Path, file: Path, *, overwrite: bool, hint: str | None = None) -> None:
    """Give a complete draft its final name, in one step.

    Args:
        draft: in the same folder as the file.
        file: the final name.
        overwrite: whether a file of that name is replaced, even one that has appeared since the command started.
        hint: of the error if it exists and must not be replaced.

    Raises:
        OutputError: the file exists, and must not be replaced.
        OSError: renaming fails.
    """
    if overwrite:
        draft.replace(file)
        return
    try:
        rename_to_free_name(draft, file)
    except FileExistsError as error:
        raise OutputError(
            f"{file} already exists: it appeared while this command was running",
            hint or "--overwrite replaces it; or choose another name",
        ) from error


def rename_to_free_name(file: Path, new: Path) -> None:
    """Rename a file; unlike `Path.rename`, refuse to replace another one.

    A process that is killed meanwhile leaves the file under one of the names, or under both; where the file system has no hard
    links, the new name may be an empty file.

    Raises:
        FileExistsError: there is one.
        OSError: renaming fails, such as to another disk.
    """
    try:
        os.link(file, new)
    except FileExistsError:
        raise
    except (OSError, AttributeError, NotImplementedError):  # no hard links here, such as on exFAT
        open_regular(new, "xb").close()  # reserves the name
        try:
            file.replace(new)
        except OSError:
            new.unlink()
            raise
    else:
        delete_moved(file, new)


def delete_moved(file: Path, new: Path) -> None:
    """Delete a file that has a new name, or a copy at its new place, already; if that fails, only the old one stays.

    Raises:
        OSError: it cannot be deleted, as on a card that is locked.
    """
    try:
        file.unlink()
    except OSError:
        new.unlink()
        raise


def write_whole(file: Path, content: bytes, *, overwrite: bool) -> None:
    """Write a file atomically.

    Args:
        file: to write.
        content: of the file.
        overwrite: whether a file of that name is replaced, even one that appears only now.

    Raises:
        OutputError: it cannot be written, or exists by now and must not be replaced.
    """
    try:
        with whole_file(file, overwrite=overwrite) as draft:
            draft.write_bytes(content)
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror or error}") from error


def rename(draft: Path, folder: Path) -> None:
    """Rename a draft; an empty folder of that name is replaced.

    Raises:
        OSError: something else has the name, or renaming fails.
    """
    draft.rename(folder)


def replace(draft: Path, folder: Path) -> None:
    """Rename a draft; an existing folder of that name is deleted.

    Where the system can exchange two folders in one step, there is one of them at any time. Elsewhere a process that is
    killed between two renames leaves the former folder under a hidden name, and `restore_former` brings it back.

    Raises:
        OSError: renaming fails; the former folder stays.
    """
    if not os.path.lexists(folder):
        draft.rename(folder)
        return
    if _exchange(draft, folder):
        delete(draft)
        return
    former = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}{_FORMER}")
    try:
        folder.rename(former)
        draft.rename(folder)
    except BaseException:
        if (
            former.exists() and not folder.exists()
        ):  # unless another process has used the name in the meantime
            former.rename(folder)
        raise
    delete(former)


def restore_former(folder: Path) -> None:
    """Bring a folder back if a process was killed while it replaced it.

    Raises:
        OSError: it cannot be renamed.
    """
    if not os.path.lexists(folder):
        pattern = f".{glob.escape(folder.name)}.*{_FORMER}"
        for former in sorted(folder.parent.glob(pattern))[:1]:
            former.rename(folder)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two folders in one step; False where the system or the file system cannot."""
    paths = os.fsencode(first), os.fsencode(second)
    try:
        import ctypes

        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            return bool(library.renamex_np(*paths, _EXCHANGE) == 0)
        return bool(library.renameat2(_WORKING_FOLDER, paths[0], _WORKING_FOLDER, paths[1], _EXCHANGE) == 0)
    except (ImportError, AttributeError, OSError, TypeError):
        return False


@contextlib.contextmanager
def whole_folder(folder: Path, install: Callable[[Path, Path], object] = rename) -> Iterator[Path]:
    """The path of a draft folder, which becomes the folder when the block succeeds; a failure deletes it.

    Args:
        folder: to write.
        install: renames the draft (first argument) to the folder (second).

    Raises:
        OSError: it cannot be written.
    """
    draft = draft_path(folder)
    try:
        remove_abandoned_drafts(folder.parent)
        draft.mkdir(parents=True)
        yield draft
        install(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
