"""Labelled data on disk: a folder with a folder for each class, split or not, or a list in CSV or TSV.

    root/train|val|valid|validation|test/CLASS/**
    root/CLASS/**
    list.csv with the columns path and label (and split, where it has one)

Only names are read here; whether a file is an image at all is for whoever opens it to say.
"""

import csv
import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnncli.errors import DataError, UsageError
from cnncli.images.sources import OWN_FOLDER, image_source, is_folder, is_image_name, walk
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.text import counted, path_text

SPLIT_FOLDERS = {
    "train": Split.TRAIN,
    "val": Split.VAL,
    "valid": Split.VAL,
    "validation": Split.VAL,
    "test": Split.TEST,
}

_PURPOSES = {Split.TRAIN: "training", Split.VAL: "validation", Split.TEST: "testing"}

_CARD = "card.json"
_LISTS = {".csv": ",", ".tsv": "\t"}
_LONGEST = 40
_LISTED = 8
"""Names that a message shows before it only counts them."""


@dataclass(frozen=True, slots=True)
class ListColumns:
    """Which columns of a list say what.

    Attributes:
        path: of the image file.
        label: its class.
        split: train, val or test; a list need not have it, and where it says so of some, the others are for training.
        root: what relative paths are relative to; None is the folder that the list lies in.
    """

    path: str = "path"
    label: str = "label"
    split: str = "split"
    root: Path | None = None


def read(data: Path, columns: ListColumns | None = None) -> DataSet:
    """The samples of a labelled folder or list.

    Args:
        data: a folder, or a file that ends in .csv or .tsv.
        columns: of a list.

    Raises:
        DataError: there is none, or it is not labelled.
    """
    if data.suffix.lower() in _LISTS and not data.is_dir():
        return _listed(data, columns or ListColumns())
    if not data.exists():
        raise DataError(f"there is no {data}", _LAYOUTS)
    if columns not in {None, ListColumns()}:
        raise UsageError(
            f"{data} is no list, and --path-column, --label-column, --split-column and --root are for lists"
        )
    if not data.is_dir():
        raise DataError(f"{data} is neither a folder nor a list (.csv, .tsv)", _LAYOUTS)
    if (data / _CARD).is_file():
        raise DataError(f"{data} is a model folder, not data", "the data comes first, the model after -m")
    folders, strays = _listing(data)
    is_split = _is_split(data, folders)
    remarks = [*_about_strays(data, strays), *_about_dots(data)]
    found = list(
        _split_samples(data, folders, remarks) if is_split else _class_samples(data, folders, None, remarks)
    )
    if not found:
        raise DataError(f"no labelled images in {data}", _LAYOUTS)
    return _data_set(_name(data), str(data), found, remarks)


_LAYOUTS = (
    "a data set is a folder with a folder of images for each class, in train/ and val/ or not, or a CSV list"
)


def _name(data: Path) -> str:
    return path_text(data.resolve().name) or "data"


@dataclass(frozen=True, slots=True)
class _Labelled:
    """An image and the name of its class."""

    source: ImageSource
    label: str
    split: Split | None

    @property
    def path(self) -> str:
        return self.source.path


def _data_set(name: str, root: str, found: Sequence[_Labelled], remarks: Iterable[str]) -> DataSet:
    names = sorted({item.label for item in found})
    index = {name: i for i, name in enumerate(names)}
    titles = tuple(path_text(name) for name in names)  # bytes that are no UTF-8 are percent-encoded
    order = [*Split, None]
    samples = sorted(
        (Sample(item.source, index[item.label], item.split) for item in found),
        key=lambda sample: (order.index(sample.split), sample.label),  # the paths of a class stay as they are
    )
    return DataSet(name, root, titles, tuple(samples), tuple(remarks))


# ---- folders


def _listing(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the folders in a folder, without dot-folders, and of the images that lie loose in it."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be listed: {error.strerror}") from error
    folders = [entry.name for entry in entries if is_folder(entry) and not entry.name.startswith(".")]
    strays = [entry.name for entry in entries if not is_folder(entry) and is_image_name(entry.name)]
    return folders, strays


def _is_split(root: Path, folders: Sequence[str]) -> bool:
    """Whether the folders are splits: one of them is for training, or all of them are splits.

    A class may be called `train`, too: then its images lie in that folder, and not in folders of classes.
    """
    splits = [name for name in folders if name.lower() in SPLIT_FOLDERS and not _is_class(root / name)]
    return bool(splits) and ("train" in map(str.lower, splits) or len(splits) == len(folders))


def _is_class(folder: Path) -> bool:
    folders, images = _listing(folder)
    return bool(images) and not folders


def _split_samples(root: Path, folders: Sequence[str], remarks: list[str]) -> Iterator[_Labelled]:
    taken: dict[Split, str] = {}
    for name in folders:
        split = SPLIT_FOLDERS.get(name.lower())
        if split is None:
            remarks.append(f"{root / name} is left out: it is not a split (train, val, test)")
            continue
        if split in taken:
            raise DataError(
                f"{root} has two folders for {_PURPOSES[split]}, {taken[split]} and {name}",
                "keep one of them",
            )
        taken[split] = name
        classes, strays = _listing(root / name)
        remarks += [*_about_strays(root / name, strays), *_about_dots(root / name)]
        yield from _class_samples(root / name, classes, split, remarks)


def _class_samples(
    folder: Path, classes: Sequence[str], split: Split | None, remarks: list[str]
) -> Iterator[_Labelled]:
    for name in classes:
        if _holds_runs(folder / name):
            remarks.append(f"{folder / name} is left out: it holds networks, not images to learn from")
            continue
        is_empty = True
        for source in walk(str(folder / name)):
            if isinstance(source, Unreadable):
                remarks.append(f"{source.path} is left out: {source.reason}")
                continue
            is_empty = False
            yield _Labelled(source, name, split)
        if is_empty:
            remarks.append(f"{folder / name} is left out: it holds no image")


def _holds_runs(folder: Path) -> bool:
    """Whether a folder is a model folder, or one of model folders, as `runs/` is."""
    return any(True for pattern in (_CARD, f"*/{_CARD}") for _ in folder.glob(pattern))


def _about_strays(folder: Path, strays: Sequence[str]) -> Iterator[str]:
    if strays:
        yield f"left out: {counted(len(strays), 'image')} in {folder} itself, in no class's folder"


def _about_dots(folder: Path) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if is_folder(entry) and entry.name.startswith(".") and entry.name != OWN_FOLDER:
            yield f"{folder / entry.name} is left out: its name begins with a dot"


# ---- lists


def _listed(file: Path, columns: ListColumns) -> DataSet:
    remarks: list[str] = []
    root = columns.root or file.parent
    try:
        with file.open(encoding="utf-8-sig", newline="", errors="surrogateescape") as stream:
            rows = csv.DictReader(stream, delimiter=_LISTS[file.suffix.lower()])
            _require_columns(file, rows.fieldnames or (), columns)
            found = _once(file, _rows(file, rows, columns, root, remarks), remarks)
    except OSError as error:
        raise DataError(f"cannot read the list {file}: {error.strerror}") from error
    except csv.Error as error:
        raise DataError(f"the list {file} is not readable as CSV: {error}") from error
    if not found:
        raise DataError(f"the list {file} names no labelled image")
    if not any(item.source.stamp() for item in found):
        raise DataError(
            f"no file that {file} lists exists; the first of {len(found):,} is {found[0].path}",
            "say with --root what the paths are relative to",
        )
    if any(item.split for item in found):
        found = [item if item.split else dataclasses.replace(item, split=Split.TRAIN) for item in found]
    return _data_set(path_text(file.stem), str(root), found, remarks)


def _once(file: Path, rows: Iterable[_Labelled], remarks: list[str]) -> list[_Labelled]:
    """Each file once; one with two classes, or in two splits, is refused."""
    found: dict[str, _Labelled] = {}
    repeated = 0
    for row in rows:
        first = found.setdefault(os.path.abspath(row.path), row)  # noqa: PTH100 - a string as good as any
        if (first.label, first.split) != (row.label, row.split):
            raise DataError(
                f"{file} lists {row.path} twice, as {_said(first)} and as {_said(row)}",
                "each image has one class and lies in one split",
            )
        repeated += first is not row
    if repeated:
        remarks.append(f"left out: {counted(repeated, 'line')} of {file} with a path that was there before")
    return list(found.values())


def _said(row: _Labelled) -> str:
    return f"{row.label!r} in {row.split}" if row.split else repr(row.label)


def _require_columns(file: Path, header: Sequence[str], columns: ListColumns) -> None:
    if missing := [name for name in (columns.path, columns.label) if name not in header]:
        there = ", ".join(repr(name[:_LONGEST]) for name in header[:_LISTED]) or "nothing"
        if len(header) == 1 and ";" in header[0]:
            raise DataError(
                f"the list {file} is separated by semicolons", "separate it by commas, or by tabs as .tsv"
            )
        raise DataError(
            f"the list {file} has no column {' and no '.join(map(repr, missing))}; its first line has {there}",
            "name them with --path-column and --label-column; the first line of a list holds the columns' names",
        )


def _rows(
    file: Path, rows: Iterable[dict[str, str | None]], columns: ListColumns, root: Path, remarks: list[str]
) -> Iterator[_Labelled]:
    for number, row in enumerate(rows, start=2):
        path, label = row[columns.path], row[columns.label]
        if not path or not label:
            remarks.append(f"{file}, entry {number} is left out: it has no {'label' if path else 'path'}")
            continue
        if path_text(label) != label:
            raise DataError(f"{file}, entry {number}: its label is not UTF-8", "save the list as UTF-8")
        told = (row.get(columns.split) or "").lower()
        if told and told not in SPLIT_FOLDERS:
            raise DataError(
                f"{file}, entry {number}: {told!r} is not a split",
                "use train, val or test, or nothing",
            )
        yield _Labelled(image_source(str(root / path)), label, SPLIT_FOLDERS.get(told))
