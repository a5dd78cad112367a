"""Atomic files and folders: written as a draft beside the target, then renamed, so they appear complete or not at all."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from cnncli.errors import OutputError

DRAFT = ".draft"
"""The ending of the names of drafts, which begin with a dot."""


@contextlib.contextmanager
def whole_file(file: Path, *, alone: bool = False, sync: bool = False) -> Iterator[Path]:
    """The path of a draft, which replaces the file when the block succeeds; a failure leaves the file as it was.

    Args:
        file: to write.
        alone: whether no other process writes the file. The draft then has a fixed name, so that the next one overwrites
            the draft of a killed process.
        sync: whether to wait until the draft is on the disk before it is renamed.

    Raises:
        OSError: it cannot be written.
    """
    draft = file.with_name(f".{file.name if alone else uuid.uuid4().hex}{DRAFT}")
    try:
        yield draft
        if sync:
            with draft.open("rb+") as stream:
                os.fsync(stream.fileno())
        draft.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def write_whole(file: Path, content: bytes) -> None:
    """Write a file atomically.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with whole_file(file) as draft:
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
    """Rename a draft; an existing folder of that name is deleted afterwards.

    Raises:
        OSError: renaming fails; the former folder stays.
    """
    if not folder.exists():
        draft.rename(folder)
        return
    former = draft.with_suffix(".former")
    folder.rename(former)
    try:
        draft.rename(folder)
    except BaseException:
        if not folder.exists():  # unless another process has used the name in the meantime
            former.rename(folder)
        raise
    shutil.rmtree(former, ignore_errors=True)


@contextlib.contextmanager
def whole_folder(folder: Path, install: Callable[[Path, Path], object] = rename) -> Iterator[Path]:
    """The path of a draft folder, which becomes the folder when the block succeeds; a failure deletes it.

    Args:
        folder: to write.
        install: renames the draft (first argument) to the folder (second).

    Raises:
        OSError: it cannot be written.
    """
    draft = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}{DRAFT}"
    try:
        draft.mkdir(parents=True)
        yield draft
        install(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
