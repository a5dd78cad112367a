"""Checks whether images can be sorted into a folder, before any work begins."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cnncli.errors import OutputError, UsageError
from cnncli.files.output_path import is_inside, require_outside_model_folder
from cnncli.images.file_names import STDIN, is_archive, is_parquet
from cnncli.sorting.sort import Transfer
from cnncli.text import is_url, os_reason


def require_sortable(inputs: Sequence[str], into: Path, transfer: Transfer) -> None:
    """Check the inputs and the folder that they are sorted into.

    Args:
        inputs: files, folders and patterns.
        into: the folder, which need not exist.
        transfer: how images get there.

    Raises:
        UsageError: an input is no file or folder of this machine, the folder lies in one of them, or hard links cannot lead there.
        OutputError: the folder cannot be written, or images cannot be moved out of theirs.
    """
    for word in inputs:
        if word == STDIN or is_url(word) or is_archive(word) or is_parquet(word):
            raise UsageError(
                f"{word} holds no files that could be sorted", "give files and folders of this machine"
            )
        if is_inside(into, word):
            raise UsageError(
                f"--into {into} is inside {word}, and would be sorted itself the next time",
                "choose a folder beside it",
            )
    existing = _require_writable(into)
    if transfer is Transfer.HARDLINK:
        _require_same_disk(inputs, existing, into)
    if transfer is Transfer.MOVE:
        _require_movable(inputs)


def _require_writable(into: Path) -> Path:
    """The nearest folder that exists, after checking that it can be written.

    Raises:
        OutputError: it cannot, or is not a folder, or is a model folder.
    """
    existing = into.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    require_outside_model_folder(existing / "image")
    try:
        with tempfile.TemporaryFile(dir=existing):
            return existing
    except NotADirectoryError as error:
        raise OutputError(f"cannot write to {into}: {existing} is not a folder") from error
    except OSError as error:
        raise OutputError(f"cannot write to {into}: {os_reason(error)}") from error


def _require_same_disk(inputs: Sequence[str], existing: Path, into: Path) -> None:
    for word in inputs:
        if os.path.exists(word) and os.stat(word).st_dev != existing.stat().st_dev:  # noqa: PTH110, PTH116 - a string
            raise UsageError(
                f"--hardlink needs one disk, and {word} is on another one than {into}", "use --copy"
            )


def _require_movable(inputs: Sequence[str]) -> None:
    for word in inputs:
        folder = word if os.path.isdir(word) else os.path.dirname(os.path.abspath(word))  # noqa: PTH100, PTH112, PTH120
        is_effective = os.access in os.supports_effective_ids
        if os.path.isdir(folder) and not os.access(folder, os.W_OK, effective_ids=is_effective):  # noqa: PTH112
            raise OutputError(
                f"--move cannot take images out of {folder}, which is not writable",
                "--copy leaves them where they are",
            )
