"""The hint for a list of which no file exists: what to change in it, or which folder its paths are relative to."""

import os
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path

from cnncli.images.file_names import is_image_name
from cnncli.images.sources import is_folder
from cnncli.text import quote

_MOST_FOLDERS = 50
"""Folders that are searched."""


def missing_files_hint(root: Path, path: str) -> str:
    """A hint from the first path of a list.

    Args:
        root: the folder that the paths are relative to.
        path: the first path, joined to that folder.
    """
    name = path.removeprefix(f"{root}{os.sep}").replace("\\", "/")
    parts = [part for part in name.split("/") if part]
    folders = list(islice(_folders(root), _MOST_FOLDERS))
    for start, folder in product(range(len(parts)), folders):
        rest = "/".join(parts[start:])
        if os.path.isfile(folder / rest):  # noqa: PTH113 - also False for a name that is too long
            return _change(name.removesuffix(rest), folder, root)
    if parts and not Path(parts[-1]).suffix:
        return _ending_hint(parts, folders, root)
    slashes = "with slashes in place of backslashes, none of them exists either; " if "\\" in path else ""
    return f"{slashes}--root names the folder that the paths are relative to"


def _folders(root: Path) -> Iterator[Path]:
    """The folder, the folders in it, and the one above it."""
    yield root
    try:
        with os.scandir(root) as entries:
            yield from sorted(Path(entry.path) for entry in entries if is_folder(entry))
    except OSError:
        return
    yield root.parent


def _change(prefix: str, folder: Path, root: Path) -> str:
    """What to change, so that the paths lead to a folder's files."""
    steps = [f"remove {prefix} from the paths"] if prefix else []
    steps += [_root_option(folder)] if folder != root else []
    return ", and ".join(steps)


def _root_option(folder: Path) -> str:
    return f"add --root {quote(folder)}"


def _ending_hint(parts: list[str], folders: list[Path], root: Path) -> str:
    """A hint for names without endings, as Kaggle's lists have them."""
    name = parts[-1]
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                match = next((entry.name for entry in entries if _is_image_called(entry.name, name)), None)
        except OSError:
            continue
        if match:
            where = f", and {_root_option(folder)}" if folder != root else ""
            return f"write the names with their endings, here {match}{where}"
    return f"write the names of the files with their endings, such as {name}.jpg"


def _is_image_called(file: str, name: str) -> bool:
    return is_image_name(file) and Path(file).stem == name
