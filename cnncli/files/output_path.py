"""Checks whether an output file can be written, before the work that fills it."""

import os
import tempfile
from pathlib import Path

from cnncli.errors import OutputError
from cnncli.records.networks import CARD
from cnncli.text import quote


def require_writable_file(file: Path) -> None:
    """Raise an error if a file cannot be written.

    Raises:
        OutputError: its folder does not exist, is read-only or a model folder, or the path is something other than a file.
    """
    if not os.path.isdir(file.parent):  # noqa: PTH112 - also False for a name that is too long
        raise OutputError(
            f"cannot write {file}: the folder {file.parent} does not exist", f"mkdir -p {quote(file.parent)}"
        )
    require_outside_model_folder(file)
    try:
        with tempfile.TemporaryFile(dir=file.parent):
            pass
        file.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror}") from error
    if os.path.isdir(file):  # noqa: PTH112
        raise OutputError(f"cannot write {file}: it is a folder")
    if os.path.exists(file) and not os.path.isfile(file):  # noqa: PTH110, PTH113
        raise OutputError(f"cannot write {file}: it is a device or a pipe, which no file can replace")


def is_inside(file: Path, folder: str | Path) -> bool:
    """Whether a path is that of an existing local folder, or below it."""
    return Path(folder).is_dir() and file.resolve().is_relative_to(Path(folder).resolve())


def require_outside_model_folder(path: Path) -> None:
    """Raise an error if an output would be written into a model folder, which may not hold anything else.

    Raises:
        OutputError: it would.
    """
    for parent in {path.parent, path.resolve().parent}:
        if os.path.isfile(parent / CARD):  # noqa: PTH113 - also False for a name that is too long
            raise OutputError(
                f"cannot write {path}: {parent} is a model folder, which would no longer be as its card describes it",
                "choose another folder",
            )


def require_free(file: Path, *, overwrite: bool, hint: str = "--overwrite replaces it") -> None:
    """Raise an error if a file cannot be written, or exists and must not be replaced.

    Args:
        file: to write.
        overwrite: whether an existing file may be replaced.
        hint: of the error if it may not.

    Raises:
        OutputError: it cannot be written, or it already exists.
    """
    require_writable_file(file)
    if os.path.exists(file) and not overwrite:  # noqa: PTH110 - also False for a name that is too long
        raise OutputError(f"{file} already exists", hint)
