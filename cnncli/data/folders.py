"""Labelled data as a folder with one folder per class, optionally within split folders.

    root/train|val|test/CLASS/**
    root/CLASS/**

Only names are read. Where they can be understood in two ways, `folder_decisions` asks for a decision.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from cnncli.data.folder_decisions import Folder, list_folder, require_one_reading
from cnncli.data.labelled import LabelledImage, build_data_set
from cnncli.data.split_names import PURPOSES, split_of_name
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.images.file_names import BY_PRODUCTS, by_products_text, is_image_name
from cnncli.images.sources import is_folder, walk
from cnncli.records.data import DataSet, Split
from cnncli.records.networks import CARD
from cnncli.records.predictions import Unreadable
from cnncli.text import counted, path_text, quote, shortlist


def read_folder(root: Path) -> DataSet:
    """The labelled images of a folder; their classes are the names of its folders, or of the folders in its splits.

    Raises:
        DataError: it has no labelled images, or its folders may be splits or classes.
    """
    folder = list_folder(root)
    remarks = [*_stray_remarks(folder), *_skipped_remarks(root), *_sibling_remarks(folder)]
    splits = _split_folders(folder)
    require_one_reading(folder, {name: list_folder(split.path) for name, split in splits.items()})
    if splits:
        others = [name for name in folder.folders if name not in splits]
        remarks += [f"{root / name} is left out: not a split (train, val, test)" for name in others]
        images = [image for split in splits.values() for image in _split_images(split, remarks)]
    else:
        images = list(_class_images(root, folder.folders, None, remarks))
    if not images:
        raise DataError(f"no labelled images in {root}", _parent_hint(folder) or LAYOUTS)
    return build_data_set(path_text(root.resolve().name) or "data", str(root), images, remarks)


LAYOUTS = (
    "a data set is a folder with one folder of images per class, within train/ and val/ or not, or a CSV list"
)
"""A hint for data that cannot be used."""


@frozen_dataclass
class _SplitFolder:
    """A split, and the folder with its class folders."""

    split: Split
    path: Path


def _split_folders(root: Folder) -> dict[str, _SplitFolder]:
    """The split folders in a folder, by name; none if its folders are classes.

    They are splits if one of them is for training, or if all of them have names of splits. A class may also be called
    `train`; its folder then holds images, not class folders.

    Raises:
        DataError: two folders are for one split.
    """
    named = {name: split for name in root.folders if (split := split_of_name(name))}
    splits = {name: split for name, split in named.items() if not list_folder(root.path / name).is_class}
    if not splits or not (Split.TRAIN in splits.values() or len(splits) == len(root.folders)):
        return {}
    names: dict[Split, str] = {}
    for name, split in named.items():
        if names.setdefault(split, name) != name:
            raise DataError(
                f"{root.path} has two folders for {PURPOSES[split]}, {names[split]} and {name}",
                "keep one of them",
            )
    return {name: _SplitFolder(split, _innermost(root.path / name, split)) for name, split in named.items()}


def _innermost(folder: Path, split: Split) -> Path:
    """The folder with the class folders of a split: some archives have `seg_train/seg_train/CLASS`."""
    listing = list_folder(folder)
    if len(listing.folders) == 1 and not listing.images and split_of_name(listing.folders[0]) is split:
        return _innermost(folder / listing.folders[0], split)
    return folder


def _split_images(split: _SplitFolder, remarks: list[str]) -> Iterator[LabelledImage]:
    folder = list_folder(split.path)
    remarks += [*_stray_remarks(folder), *_skipped_remarks(split.path)]
    yield from _class_images(split.path, folder.folders, split.split, remarks)


def _class_images(
    folder: Path, classes: Sequence[str], split: Split | None, remarks: list[str]
) -> Iterator[LabelledImage]:
    skipped: Counter[str] = Counter()
    for name in classes:
        if _holds_runs(folder / name):
            remarks.append(f"{folder / name} is left out: it contains models, not training images")
            continue
        is_empty = True
        for source in walk(str(folder / name), skipped):
            if isinstance(source, Unreadable):
                remarks.append(f"{source.path} is left out: {source.reason}")
                continue
            is_empty = False
            yield LabelledImage(source, name, split)
        if is_empty:
            remarks.append(f"{folder / name} is left out: no images")
    if skipped:
        remarks.append(by_products_text(skipped, str(folder)))


def _holds_runs(folder: Path) -> bool:
    """Whether a folder is a model folder, or a folder of model folders such as `runs/`."""
    return any(True for pattern in (CARD, f"*/{CARD}") for _ in folder.glob(pattern))


def _parent_hint(folder: Folder) -> str | None:
    """A hint to the folder above the folder of a class; None for any other folder."""
    parent = list_folder(folder.path.resolve().parent)
    if not folder.is_class or len(parent.folders) == 1:
        return None
    above = quote(folder.path.parent if folder.path.name else parent.path)
    return f"{folder.path.name} is the folder of one class: give the folder above, {above}, which has {shortlist(parent.folders)}"


def _sibling_remarks(folder: Folder) -> Iterator[str]:
    """A remark on `val/` or `test/` beside a folder for training that is given alone."""
    if split_of_name(folder.path.name) is not Split.TRAIN:
        return
    parent = folder.path.parent
    siblings = [
        name for name in list_folder(parent).folders if split_of_name(name) in {Split.VAL, Split.TEST}
    ]
    shared = [name for name in siblings if {*list_folder(parent / name).folders} & {*folder.folders}]
    if shared:
        yield f"{' and '.join(str(parent / name) for name in shared)} beside it is not used; to use it, give {quote(parent)}"


def _stray_remarks(folder: Folder) -> Iterator[str]:
    if folder.images:
        yield f"left out: {counted(len(folder.images), 'image')} directly in {folder.path}, not in a class folder"


def _skipped_remarks(folder: Path) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = folder / entry.name
        if entry.name in BY_PRODUCTS:
            yield f"{path} is left out: not images, but a by-product of another program"
        elif is_folder(entry) and entry.name.startswith("."):
            yield f"{path} is left out: its name begins with a dot"
        elif entry.is_symlink() and not path.exists() and not is_image_name(entry.name):
            yield f"{path} is left out: a link to {path.readlink()}, which does not exist"
