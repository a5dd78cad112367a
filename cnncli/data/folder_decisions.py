"""Folders whose names can be understood in two ways, as splits or as classes: an error asks which is meant.

A wrong guess would train a network to tell `training` from `testing`. Whoever means classes puts them all into `train/`: there,
every folder is a class.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from cnncli.data.split_names import PURPOSES, split_of_name
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.images.file_names import is_folder_name, is_image_name
from cnncli.images.sources import is_folder
from cnncli.records.data import Split
from cnncli.text import SEPARATORS, quote, shortlist

_FEWEST_SHARED = 2
"""Subfolders of the same names from which two folders may be splits."""

_MOST_SPLITS = 20
"""Folders from which they are classes rather than splits under names of their own, such as the folds of a cross-validation."""

_ONE_HOT = "_classes.csv"
"""Roboflow's list of a split's images, with a column for each class."""


@frozen_dataclass
class Folder:
    """The content of a folder, without dot-folders and folders that other programs leave.

    Attributes:
        path: of the folder.
        folders: names of the folders in it.
        images: names of the images directly in it.
        lists: names of its CSV and TSV files.
    """

    path: Path
    folders: tuple[str, ...]
    images: tuple[str, ...]
    lists: tuple[str, ...]

    @property
    def is_class(self) -> bool:
        """Whether it holds images and no folders, as the folder of a class does."""
        return bool(self.images) and not self.folders


def list_folder(folder: Path) -> Folder:
    """The content of a folder, sorted by name.

    Raises:
        DataError: it cannot be listed.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"cannot read the folder {folder}: {error.strerror}") from error
    folders = [entry.name for entry in entries if is_folder(entry)]
    files = [entry.name for entry in entries if not is_folder(entry)]
    return Folder(
        folder,
        tuple(filter(is_folder_name, folders)),
        tuple(filter(is_image_name, files)),
        tuple(name for name in files if Path(name).suffix.lower() in SEPARATORS),
    )


def require_one_reading(root: Folder, splits: Mapping[str, Folder]) -> None:
    """Check that the folders in a folder are splits, or classes, and not possibly both.

    Args:
        root: the data folder.
        splits: its split folders, by name; empty if its folders are taken for classes.

    Raises:
        DataError: both are possible, or a list has the classes.
    """
    if splits:
        _require_no_classes_beside(root, splits)
        return
    _require_no_splits_of_images(root)
    _require_no_split_beside(root)
    if len(root.folders) == 1:
        _require_not_the_data_itself(root)
    if len(root.folders) <= _MOST_SPLITS:
        _require_no_shared_subfolders(root)


def _require_no_classes_beside(root: Folder, splits: Mapping[str, Folder]) -> None:
    """`lemon/ orange/ train/{lemon,orange}`."""
    classes = {name for folder in splits.values() for name in folder.folders}
    if beside := [name for name in root.folders if name not in splits and name in classes]:
        raise DataError(
            f"{root.path} has the classes {shortlist(beside)} both in and beside {_slashes(splits)}",
            "move the class folders into a split, or out of the data folder",
        )


def _require_no_splits_of_images(root: Folder) -> None:
    """`train/*.jpg test/*.jpg train.csv`, as Kaggle and Roboflow have them."""
    if not root.folders or not all(map(split_of_name, root.folders)):
        return
    folders = [list_folder(root.path / name) for name in root.folders]
    lists = [folder.path / name for folder in (root, *folders) for name in folder.lists]
    hint = "put the images of each class into a folder of its own, or give a CSV list with the columns path and label"
    if lists:
        names = " and ".join(map(str, lists[:3]))
        hint = f"give the list instead of the folder: {names}, with --path-column, --label-column and --root"
    if any(file.name == _ONE_HOT for file in lists):
        hint = f"{lists[0]} has a column for each class: write a list with the columns path and label, and give it instead"
    message = f"the images of {root.path} are directly in {_slashes(root.folders)}, not in class folders"
    raise DataError(message, hint)


def _require_no_split_beside(root: Folder) -> None:
    """`lemon/ orange/ val/{lemon,orange}`, or an unlabelled `test/` beside classes; a class may be called `train`."""
    for name in root.folders:
        split = split_of_name(name)
        if split is None:
            continue
        folder = list_folder(root.path / name)
        is_empty = not folder.folders and not folder.images
        if is_empty or (split is Split.TRAIN and folder.is_class):
            continue
        classes = [other for other in root.folders if split_of_name(other) is None]
        raise DataError(
            f"{folder.path} may be images for {PURPOSES[split]}, or a class beside {shortlist(classes)}",
            f"if it is a split, move the class folders into {root.path / 'train'}; "
            "if it is a class, move it there with them",
        )


def _require_not_the_data_itself(root: Folder) -> None:
    """`archive/photos/{lemon,orange}` or `archive/photos/train/{lemon,orange}`, as unpacked archives often are."""
    inner = list_folder(root.path / root.folders[0])
    while len(inner.folders) == 1 and not inner.images and not split_of_name(inner.folders[0]):
        inner = list_folder(inner.path / inner.folders[0])
    if inner.folders and not inner.images:
        name = inner.path.relative_to(root.path)
        raise DataError(
            f"{root.path} has only one folder, {name}, with the folders {shortlist(inner.folders)}",
            f"if these are the classes or splits, give {quote(inner.path)}; if {root.folders[0]} is a class, move it into "
            f"{quote(root.path / 'train')}",
        )


def _require_no_shared_subfolders(root: Folder) -> None:
    """`first/{lemon,orange} second/{lemon,orange}`: splits under names of their own, or classes with subfolders."""
    subfolders = dict(_subfolders(root))
    for (one, names), (other, other_names) in combinations(subfolders.items(), 2):
        shared = sorted(names & other_names)
        if len(shared) >= _FEWEST_SHARED:
            raise DataError(
                f"{root.path / one} and {root.path / other} both have the folders {shortlist(shared)}: "
                "these may be the classes of two splits, or parts of two classes",
                f"rename splits to train, val and test; move classes into {root.path / 'train'}",
            )


def _subfolders(root: Folder) -> Iterator[tuple[str, set[str]]]:
    """The folders without images directly in them, and the names of their subfolders."""
    for name in root.folders:
        folders = set()
        with os.scandir(root.path / name) as entries:
            for entry in entries:
                if is_folder(entry):
                    folders.add(entry.name)
                elif is_image_name(entry.name):
                    break  # a class; a folder may have any number of images, so they are not all listed
            else:
                yield name, folders


def _slashes(names: Sequence[str] | Mapping[str, Folder]) -> str:
    return " and ".join(f"{name}/" for name in names)
