"""Files and folders that are there as a whole or not at all: written beside their place, then renamed."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from cnncli.errors import OutputError

DRAFT = ".draft"
"""How the names of drafts end; they begin with a dot."""


@contextlib.contextmanager
def whole_file(file: Path, *, alone: bool = False, sync: bool = False) -> Iterator[Path]:
    """A draft that takes the file's place when the block ends well; a failure leaves what was there.

    Args:
        file: to write.
        alone: no other process writes it, so that the draft can have a fixed name: the next one overwrites what a killed
            process left.
        sync: wait until the draft is on the disk before it gets the name.

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
    """Write a file as a whole.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with whole_file(file) as draft:
            draft.write_bytes(content)
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror or error}") from error


def rename(draft: Path, folder: Path) -> None:
    """Give a draft its name; an empty folder of that name may give way.

    Raises:
        OSError: something else has the name, or it cannot be given.
    """
    draft.rename(folder)


def replace(draft: Path, folder: Path) -> None:
    """Give a draft its name; a folder of that name goes once the draft is in its place.

    Raises:
        OSError: it cannot be given; the former folder stays.
    """
    if not folder.exists():
        draft.rename(folder)
        return
    former = draft.with_suffix(".former")
    folder.rename(former)
    try:
        draft.rename(folder)
    except BaseException:
        if not folder.exists():  # nobody else has taken the name meanwhile
            former.rename(folder)
        raise
    shutil.rmtree(former, ignore_errors=True)


@contextlib.contextmanager
def whole_folder(folder: Path, settle: Callable[[Path, Path], object] = rename) -> Iterator[Path]:
    """A draft of a folder; when the block ends well it is settled in the folder's place, else it vanishes.

    Args:
        folder: to write.
        settle: gives the draft (first) its name (second).

    Raises:
        OSError: it cannot be written.
    """
    draft = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}{DRAFT}"
    try:
        draft.mkdir(parents=True)
        yield draft
        settle(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
