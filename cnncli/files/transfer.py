"""Files under other names: copied, moved, linked. Nothing is replaced, and a killed process leaves every file whole.

A file that is being moved is at its old place, at its new one, or for a moment at both.
"""

import errno
import os
import shutil
from pathlib import Path

from cnncli.files.drafts import draft_path
from cnncli.files.whole import delete_moved, rename_to_free_name


def copy_file(source: Path, target: Path) -> None:
    """Copy a file with its times; the copy is on the disk when it gets its name.

    Raises:
        FileExistsError: the name is taken.
        OSError: it cannot be read or written.
    """
    draft = draft_path(target)
    try:
        shutil.copy2(source, draft)
        with draft.open("rb+") as stream:
            os.fsync(stream.fileno())
        rename_to_free_name(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def move_file(source: Path, target: Path) -> None:
    """Move a file, also to another disk; a symbolic link still leads to where it led. A move that was killed is completed.

    Raises:
        FileExistsError: the name is taken.
        OSError: it cannot be moved.
    """
    if source.is_symlink():
        target.symlink_to(moved_link(os.readlink(source), source, target))  # noqa: PTH115 - a Path would normalise it
        delete_moved(source, target)
        return
    if has_two_names(source, target):
        source.unlink()
        return
    try:
        rename_to_free_name(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy_file(source, target)
        delete_moved(source, target)


def has_two_names(file: Path, other: Path) -> bool:
    """Whether a regular file is in two folders under these names: hard links, as of a move that was killed."""
    return (
        os.path.lexists(other)
        and not other.is_symlink()
        and file.samefile(other)
        and not file.parent.samefile(other.parent)  # where case does not count, it may be one name
    )


def moved_link(text: str, link: Path, target: Path) -> str:
    """What a symbolic link must say at another place to lead to the same file.

    Args:
        text: what it says.
        link: where it is.
        target: the other place.
    """
    return text if os.path.isabs(text) else relative_path(link.parent / text, target)  # noqa: PTH117 - a string


def relative_path(file: Path, link: Path) -> str:
    """The path to a file from the folder of a link to it; absolute where there is none, as between drives of Windows."""
    place = os.path.join(os.path.realpath(file.parent), file.name)  # noqa: PTH118 - links in folders only
    try:
        return os.path.relpath(place, os.path.realpath(link.parent))
    except ValueError:
        return place
