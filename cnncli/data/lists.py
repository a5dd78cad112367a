"""Labelled data as a CSV or TSV list with the columns path and label, and optionally split."""

import csv
import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnncli.data.labelled import LabelledImage, build_data_set
from cnncli.data.missing_files import missing_files_hint
from cnncli.data.split_names import split_of_name
from cnncli.errors import DataError
from cnncli.files.csv_tables import listed_path
from cnncli.images.sources import image_source
from cnncli.records.data import DataSet, Split
from cnncli.records.defaults import PATH_COLUMN
from cnncli.records.predictions import ImageSource
from cnncli.regular_file import bounded_lines, open_regular
from cnncli.text import SEPARATORS, counted, path_text, text_stream

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

    path: str = PATH_COLUMN
    label: str = "label"
    split: str = "split"
    root: Path | None = None


def read_list(file: Path, columns: ListColumns) -> DataSet:
    """The labelled images of a list.

    Raises:
        DataError: it cannot be read, contradicts itself, or has no labelled images.
    """
    remarks: list[str] = []
    root = columns.root or file.parent
    try:
        with text_stream(open_regular(file)) as stream:
            rows = csv.DictReader(
                bounded_lines(stream), delimiter=SEPARATORS[file.suffix.lower()], strict=True
            )
            _require_columns(file, rows.fieldnames or (), columns)
            images = _unique(file, _rows(file, rows, columns, root, remarks), remarks)
    except OSError as error:
        raise DataError(f"cannot read the list {file}: {error.strerror}") from error
    except (csv.Error, ValueError) as error:
        raise DataError(f"the list {file} is not valid CSV: {error}") from error
    if not images:
        raise DataError(f"the list {file} has no labelled images")
    if not any(item.source.stamp() for item in images):
        raise DataError(
            f"none of the {len(images):,} files in {file} exists; the first is {images[0].path}",
            missing_files_hint(root, images[0].path),
        )
    if any(item.split for item in images):
        images = [item if item.split else dataclasses.replace(item, split=Split.TRAIN) for item in images]
    return build_data_set(path_text(file.stem), str(root), images, remarks)


def _unique(file: Path, rows: Iterable[LabelledImage], remarks: list[str]) -> list[LabelledImage]:
    """Each file once; a file listed with two classes or in two splits is an error."""
    images: dict[str, LabelledImage] = {}
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


def _describe(row: LabelledImage) -> str:
    return f"{row.label!r} in {row.split}" if row.split else repr(row.label)


def _require_columns(file: Path, header: Sequence[str], columns: ListColumns) -> None:
    if missing := [name for name in (columns.path, columns.label) if name not in header]:
        columns_text = ", ".join(repr(name[:_MAX_NAME]) for name in header[:_MAX_LISTED]) or "nothing"
        _require_separator(file, header)
        raise DataError(
            f"the list {file} has no column {' and no '.join(map(repr, missing))}; its first line has {columns_text}",
            "name them with --path-column and --label-column; the first line of a list has the column names",
        )


def _rows(
    file: Path, rows: Iterable[dict[str, str | None]], columns: ListColumns, root: Path, remarks: list[str]
) -> Iterator[LabelledImage]:
    untidy = 0
    for number, row in _entries(file, rows):
        path, label = row[columns.path], (row[columns.label] or "").strip()
        if not path or not label:
            remarks.append(f"{file}, entry {number} is left out: it has no {'label' if path else 'path'}")
            continue
        _require_label(f"{file}, entry {number}", label)
        untidy += label != row[columns.label]
        name = row.get(columns.split) or ""
        split = split_of_name(name)
        if name and split is None:
            raise DataError(
                f"{file}, entry {number}: {name!r} is not a split",
                "use train, val, test, or leave it empty",
            )
        yield LabelledImage(_source(root, path), label, split)
    if untidy:
        remarks.append(f"removed: spaces around {counted(untidy, 'label')} of {file}")


def _entries(
    file: Path, rows: Iterable[dict[str, str | None]]
) -> Iterator[tuple[int, dict[str, str | None]]]:
    """The entries of a list, numbered from 2: the first one has the names of the columns."""
    number = 1
    try:
        for number, row in enumerate(rows, start=2):
            if any(row.get(None, ())):  # type: ignore[call-overload]  # where DictReader puts what has no column
                raise DataError(
                    f"{file}, entry {number} has more cells than the first line",
                    "put quotation marks around a path or label with a separator in it",
                )
            yield number, row
    except csv.Error as error:
        raise DataError(
            f"{file}, entry {number + 1} is not valid CSV: {error}", "a quotation mark may not be closed"
        ) from error


def _require_label(entry: str, label: str) -> None:
    if path_text(label) != label:
        raise DataError(f"{entry}: its label is not UTF-8", "save the list as UTF-8")
    if label.startswith('"') and label.endswith(
        '"'
    ):  # CSV knows quotation marks only directly after a separator
        raise DataError(
            f"{entry}: its label {label} has quotation marks after a space", "remove the space before them"
        )
    if len(label.splitlines()) > 1:
        raise DataError(
            f"{entry}: its label has a line end: {label[:_MAX_NAME]!r}", "a quotation mark may not be closed"
        )


def _source(root: Path, path: str) -> ImageSource:
    """The image of an entry; a list from Windows may have backslashes in place of slashes."""
    source = image_source(listed_path(str(root), path))
    if "\\" in path and not source.stamp():
        other = image_source(listed_path(str(root), path.replace("\\", "/")))
        return other if other.stamp() else source
    return source


def _require_separator(file: Path, header: Sequence[str]) -> None:
    """Check that the first line is not separated by what other programs use."""
    if len(header) != 1:
        return
    for name, separator in (("semicolons", ";"), ("tabs", "\t"), ("commas", ",")):
        if separator in header[0]:
            raise DataError(
                f"the list {file} is separated by {name}", "use commas in a .csv, or tabs in a .tsv"
            )
