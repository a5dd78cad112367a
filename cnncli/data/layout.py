"""Labelled data on disk: a folder with one folder per class, optionally within split folders, or a CSV or TSV list.

    root/train|val|valid|validation|test/CLASS/**
    root/CLASS/**
    list.csv with the columns path and label (and optionally split)

Only names are read here; whether a file really is an image is known when it is opened.
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
_MAX_NAME = 40
_MAX_LISTED = 8
"""Characters of a column name, and number of names, that a message shows."""


@dataclass(frozen=True, slots=True)
class ListColumns:
    """The columns of a list, and the folder of its paths.

    Attributes:
        path: name of the column with the image's path.
        label: name of the column with its class.
        split: name of the optional column with train, val or test; if some images have a split, those without one are for
            training.
        root: folder that paths are relative to; None is the folder of the list.
    """

    path: str = "path"
    label: str = "label"
    split: str = "split"
    root: Path | None = None


def read(data: Path, columns: ListColumns | None = None) -> DataSet:
    """The labelled images of a folder or list.

    Args:
        data: a folder, or a file that ends in .csv or .tsv.
        columns: of a list.

    Raises:
        DataError: it does not exist, or has no labelled images.
        UsageError: columns are named, and it is not a list.
    """
    if data.suffix.lower() in _LISTS and not data.is_dir():
        return _read_list(data, columns or ListColumns())
    if not data.exists():
        raise DataError(f"{data} does not exist", _LAYOUTS)
    if columns not in {None, ListColumns()}:
        raise UsageError(
            f"{data} is not a list, and --path-column, --label-column, --split-column and --root are for lists"
        )
    if not data.is_dir():
        raise DataError(f"{data} is neither a folder nor a list (.csv, .tsv)", _LAYOUTS)
    if (data / _CARD).is_file():
        raise DataError(f"{data} is a model folder, not data", "give the data first, and the model with -m")
    folders, strays = _listing(data)
    is_split = _is_split(data, folders)
    remarks = [*_stray_remarks(data, strays), *_dot_folder_remarks(data)]
    images = list(
        _split_samples(data, folders, remarks) if is_split else _class_samples(data, folders, None, remarks)
    )
    if not images:
        raise DataError(f"no labelled images in {data}", _LAYOUTS)
    return _data_set(_name(data), str(data), images, remarks)


_LAYOUTS = (
    "a data set is a folder with one folder of images per class, within train/ and val/ or not, or a CSV list"
)


def _name(data: Path) -> str:
    return path_text(data.resolve().name) or "data"


@dataclass(frozen=True, slots=True)
class _LabelledImage:
    """An image and the name of its class."""

    source: ImageSource
    label: str
    split: Split | None

    @property
    def path(self) -> str:
        return self.source.path


def _data_set(name: str, root: str, images: Sequence[_LabelledImage], remarks: Iterable[str]) -> DataSet:
    names = sorted({item.label for item in images})
    index = {name: i for i, name in enumerate(names)}
    titles = tuple(path_text(name) for name in names)  # bytes that are not UTF-8 are percent-encoded
    order = [*Split, None]
    samples = sorted(
        (Sample(item.source, index[item.label], item.split) for item in images),
        key=lambda sample: (
            order.index(sample.split),
            sample.label,
        ),  # within a class, paths keep their order
    )
    return DataSet(name, root, titles, tuple(samples), tuple(remarks))


# ---- folders


def _listing(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the folders in a folder, without dot-folders, and of the images directly in it."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be listed: {error.strerror}") from error
    folders = [entry.name for entry in entries if is_folder(entry) and not entry.name.startswith(".")]
    strays = [entry.name for entry in entries if not is_folder(entry) and is_image_name(entry.name)]
    return folders, strays


def _is_split(root: Path, folders: Sequence[str]) -> bool:
    """Whether the folders are splits: one of them is `train`, or all of them have names of splits.

    A class may also be called `train`; its folder then holds images, not class folders.
    """
    splits = [name for name in folders if name.lower() in SPLIT_FOLDERS and not _is_class(root / name)]
    return bool(splits) and ("train" in map(str.lower, splits) or len(splits) == len(folders))


def _is_class(folder: Path) -> bool:
    folders, images = _listing(folder)
    return bool(images) and not folders


def _split_samples(root: Path, folders: Sequence[str], remarks: list[str]) -> Iterator[_LabelledImage]:
    folder_names: dict[Split, str] = {}
    for name in folders:
        split = SPLIT_FOLDERS.get(name.lower())
        if split is None:
            remarks.append(f"{root / name} is left out: not a split (train, val, test)")
            continue
        if split in folder_names:
            raise DataError(
                f"{root} has two folders for {_PURPOSES[split]}, {folder_names[split]} and {name}",
                "keep one of them",
            )
        folder_names[split] = name
        classes, strays = _listing(root / name)
        remarks += [*_stray_remarks(root / name, strays), *_dot_folder_remarks(root / name)]
        yield from _class_samples(root / name, classes, split, remarks)


def _class_samples(
    folder: Path, classes: Sequence[str], split: Split | None, remarks: list[str]
) -> Iterator[_LabelledImage]:
    for name in classes:
        if _holds_runs(folder / name):
            remarks.append(f"{folder / name} is left out: it contains models, not training images")
            continue
        is_empty = True
        for source in walk(str(folder / name)):
            if isinstance(source, Unreadable):
                remarks.append(f"{source.path} is left out: {source.reason}")
                continue
            is_empty = False
            yield _LabelledImage(source, name, split)
        if is_empty:
            remarks.append(f"{folder / name} is left out: no images")


def _holds_runs(folder: Path) -> bool:
    """Whether a folder is a model folder, or a folder of model folders such as `runs/`."""
    return any(True for pattern in (_CARD, f"*/{_CARD}") for _ in folder.glob(pattern))


def _stray_remarks(folder: Path, strays: Sequence[str]) -> Iterator[str]:
    if strays:
        yield f"left out: {counted(len(strays), 'image')} directly in {folder}, not in a class folder"


def _dot_folder_remarks(folder: Path) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if is_folder(entry) and entry.name.startswith(".") and entry.name != OWN_FOLDER:
            yield f"{folder / entry.name} is left out: its name begins with a dot"


# ---- lists


def _read_list(file: Path, columns: ListColumns) -> DataSet:
    remarks: list[str] = []
    root = columns.root or file.parent
    try:
        with file.open(encoding="utf-8-sig", newline="", errors="surrogateescape") as stream:
            rows = csv.DictReader(stream, delimiter=_LISTS[file.suffix.lower()])
            _require_columns(file, rows.fieldnames or (), columns)
            images = _unique(file, _rows(file, rows, columns, root, remarks), remarks)
    except OSError as error:
        raise DataError(f"cannot read the list {file}: {error.strerror}") from error
    except csv.Error as error:
        raise DataError(f"the list {file} is not valid CSV: {error}") from error
    if not images:
        raise DataError(f"the list {file} has no labelled images")
    if not any(item.source.stamp() for item in images):
        raise DataError(
            f"none of the {len(images):,} files in {file} exists; the first is {images[0].path}",
            "--root names the folder that the paths are relative to",
        )
    if any(item.split for item in images):
        images = [item if item.split else dataclasses.replace(item, split=Split.TRAIN) for item in images]
    return _data_set(path_text(file.stem), str(root), images, remarks)


def _unique(file: Path, rows: Iterable[_LabelledImage], remarks: list[str]) -> list[_LabelledImage]:
    """Each file once; a file listed with two classes or in two splits is an error."""
    images: dict[str, _LabelledImage] = {}
    repeated = 0
    for row in rows:
        first = images.setdefault(os.path.abspath(row.path), row)  # noqa: PTH100 - the path is a string
        if (first.label, first.split) != (row.label, row.split):
            raise DataError(
                f"{file} lists {row.path} twice, as {_describe(first)} and as {_describe(row)}",
                "each image has one class and one split",
            )
        repeated += first is not row
    if repeated:
        remarks.append(f"left out: {counted(repeated, 'line')} of {file} with a path that was already listed")
    return list(images.values())


def _describe(row: _LabelledImage) -> str:
    return f"{row.label!r} in {row.split}" if row.split else repr(row.label)


def _require_columns(file: Path, header: Sequence[str], columns: ListColumns) -> None:
    if missing := [name for name in (columns.path, columns.label) if name not in header]:
        columns_text = ", ".join(repr(name[:_MAX_NAME]) for name in header[:_MAX_LISTED]) or "nothing"
        if len(header) == 1 and ";" in header[0]:
            raise DataError(f"the list {file} is separated by semicolons", "use commas, or tabs in a .tsv")
        raise DataError(
            f"the list {file} has no column {' and no '.join(map(repr, missing))}; its first line has {columns_text}",
            "name them with --path-column and --label-column; the first line of a list has the column names",
        )


def _rows(
    file: Path, rows: Iterable[dict[str, str | None]], columns: ListColumns, root: Path, remarks: list[str]
) -> Iterator[_LabelledImage]:
    for number, row in enumerate(rows, start=2):
        path, label = row[columns.path], row[columns.label]
        if not path or not label:
            remarks.append(f"{file}, entry {number} is left out: it has no {'label' if path else 'path'}")
            continue
        if path_text(label) != label:
            raise DataError(f"{file}, entry {number}: its label is not UTF-8", "save the list as UTF-8")
        name = (row.get(columns.split) or "").lower()
        if name and name not in SPLIT_FOLDERS:
            raise DataError(
                f"{file}, entry {number}: {name!r} is not a split",
                "use train, val, test, or leave it empty",
            )
        yield _LabelledImage(image_source(str(root / path)), label, SPLIT_FOLDERS.get(name))
