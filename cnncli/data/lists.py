"""Labelled data as a CSV, TSV or Parquet list with the columns path and label, and optionally split; or several of labels."""

import contextlib
import csv
import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath

from cnncli.data.labelled import LabelledImage, build_data_set
from cnncli.data.labels import LabelReader, Labels, Row, text_of
from cnncli.data.missing_files import missing_files_hint
from cnncli.data.split_names import split_of_name
from cnncli.errors import DataError
from cnncli.files.csv_tables import listed_path
from cnncli.images.container import open_container, reason
from cnncli.images.file_names import is_parquet
from cnncli.images.parquet_file import column_names, read_rows
from cnncli.images.sources import image_source
from cnncli.records.data import DataSet, Split
from cnncli.records.list_columns import ListColumns
from cnncli.records.predictions import ImageSource, UnreadableError
from cnncli.regular_file import bounded_lines
from cnncli.text import SEPARATORS, counted, is_url, path_text, shortlist, text_stream

_MAX_NAME = 40
_MAX_LISTED = 8
"""Characters of a column name, and number of names, that a message shows."""


def read_list(file: str, columns: ListColumns) -> DataSet:
    """The labelled images of a list.

    Args:
        file: path or URL; a CSV, TSV or Parquet file.
        columns: of the list.

    Raises:
        DataError: it cannot be read, contradicts itself, or has no labelled images.
    """
    reader, remarks = LabelReader(columns), list[str]()
    folder, _, name = file.rpartition("/") if is_url(file) else (str(Path(file).parent), "", Path(file).name)
    root = str(columns.root or folder)
    try:
        with _open_rows(file, columns, reader) as (header, rows):
            _require_columns(file, header, [columns.path, *reader.names])
            images = _unique(file, _rows(file, rows, reader, root, remarks), remarks)
    except (OSError, UnreadableError) as error:
        raise DataError(f"cannot read the list {file}: {reason(error)}") from error
    except (csv.Error, ValueError) as error:
        raise DataError(f"the list {file} is not valid CSV: {error}") from error
    if not images:
        raise DataError(f"the list {file} has no labelled images")
    if not any(item.source.stamp() for item in images):
        hint = None if is_url(images[0].path) else missing_files_hint(Path(root), images[0].path)
        raise DataError(
            f"none of the {len(images):,} files in {file} exists; the first is {images[0].path}", hint
        )
    if any(item.split for item in images):
        images = [item if item.split else dataclasses.replace(item, split=Split.TRAIN) for item in images]
    return build_data_set(path_text(Path(name).stem), root, images, remarks, columns.tasks)


def read_header(file: str) -> list[str]:
    """The names of a list's columns; empty if it cannot be read, of which `read_list` says why."""
    columns = ListColumns()
    try:
        with _open_rows(file, columns, LabelReader(columns)) as (header, _):
            return list(header)
    except (OSError, UnreadableError, csv.Error, ValueError):
        return []


@contextlib.contextmanager
def _open_rows(
    file: str, columns: ListColumns, reader: LabelReader
) -> Iterator[tuple[Sequence[str], Iterable[Row]]]:
    """The names of a list's columns, and its entries."""
    if is_parquet(file):
        names = column_names(file)
        wanted = [name for name in (columns.path, *reader.names, columns.split) if name in names]
        yield names, read_rows(file, wanted)
        return
    with text_stream(open_container(file)) as stream:
        separator = SEPARATORS[PurePath(file).suffix.lower()]
        rows = csv.DictReader(bounded_lines(stream), delimiter=separator, strict=True)
        yield rows.fieldnames or (), rows


def _unique(file: str, rows: Iterable[LabelledImage], remarks: list[str]) -> list[LabelledImage]:
    """Each file once; a file listed with two classes or in two splits is an error."""
    images: dict[str, LabelledImage] = {}
    repeated = 0
    for row in rows:
        first = images.setdefault(os.path.abspath(row.path), row)  # noqa: PTH100 - the path is a string
        if (first.label, first.answers, first.split) != (row.label, row.answers, row.split):
            raise DataError(
                f"{file} lists {row.path} twice, as {_describe(first)} and as {_describe(row)}",
                "each image has one class and one split",
            )
        repeated += first is not row
    if repeated:
        remarks.append(f"left out: {counted(repeated, 'line')} of {file} with a path that was already listed")
    return list(images.values())


def _describe(row: LabelledImage) -> str:
    labels = Labels(row.label, row.answers)
    return f"{labels} in {row.split}" if row.split else str(labels)


def _require_columns(file: str, header: Sequence[str], names: Sequence[str]) -> None:
    if missing := [name for name in names if name not in header]:
        columns_text = ", ".join(repr(name[:_MAX_NAME]) for name in header[:_MAX_LISTED]) or "nothing"
        _require_separator(file, header)
        raise DataError(
            f"the list {file} has no column {' and no '.join(map(repr, missing[:_MAX_LISTED]))}; its first line has {columns_text}",
            "name them with --path-column, --label-column, --multi-label or --group-column; the first line of a list has the column names",
        )


def _rows(
    file: str, rows: Iterable[Row], reader: LabelReader, root: str, remarks: list[str]
) -> Iterator[LabelledImage]:
    columns = reader.columns
    label = "known label" if columns.tasks else "label"
    left_out: dict[str, list[int]] = {"path": [], label: []}
    for number, row in _entries(file, rows):
        path = text_of(row[columns.path])
        labels = reader.read(f"{file}, entry {number}", row) if path else None
        if not labels:
            left_out[label if path else "path"].append(number)
            continue
        name = text_of(row.get(columns.split))
        split = split_of_name(name)
        if name and split is None:
            raise DataError(
                f"{file}, entry {number}: {name!r} is not a split",
                "use train, val, test, or leave it empty",
            )
        yield LabelledImage(_source(root, path), labels.label, split, labels.answers, labels.group)
    remarks += [_left_out_remark(file, numbers, what) for what, numbers in left_out.items() if numbers]
    remarks += reader.remarks(file)


def _left_out_remark(file: str, numbers: Sequence[int], what: str) -> str:
    """That the entries with these numbers have no path, or no label."""
    if len(numbers) == 1:
        return f"{file}, entry {numbers[0]} is left out: it has no {what}"
    return f"{file}, entries {shortlist(numbers)} are left out: they have no {what}"


def _entries(file: str, rows: Iterable[Row]) -> Iterator[tuple[int, Row]]:
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


def write_relabelled(file: Path, columns: ListColumns, labels: Mapping[str, str], target: Path) -> None:
    """Write a CSV or TSV list with other labels for some images, and all else as it is: also its encoding and line ends.

    Args:
        file: the list, which `read_list` has read.
        columns: of the list.
        labels: new label by the absolute path of an image.
        target: the file to write.

    Raises:
        OSError: it cannot be read or written.
        csv.Error: it is not valid CSV.
    """
    root, separator = str(columns.root or file.parent), SEPARATORS[file.suffix.lower()]
    with (
        text_stream(open_container(str(file))) as text,
        target.open("w", encoding=text.encoding, errors=text.errors, newline="") as stream,
    ):
        lines = bounded_lines(text)
        first = next(lines)
        rows = csv.reader(itertools.chain([first], lines), delimiter=separator, strict=True)
        ending = "\r\n" if first.endswith("\r\n") else "\n"
        writer = csv.writer(stream, delimiter=separator, lineterminator=ending)
        header = next(rows)
        writer.writerow(header)
        path_place, label_place = header.index(columns.path), header.index(columns.label)
        for row in rows:
            if len(row) > max(path_place, label_place):
                path = os.path.abspath(_source(root, row[path_place]).path)  # noqa: PTH100 - the path is a string
                row[label_place] = labels.get(path, row[label_place])
            writer.writerow(row)


def _source(root: str, path: str) -> ImageSource:
    """The image of an entry; a list from Windows may have backslashes in place of slashes."""
    source = image_source(listed_path(root, path))
    if "\\" in path and not source.stamp():
        other = image_source(listed_path(root, path.replace("\\", "/")))
        return other if other.stamp() else source
    return source


def _require_separator(file: str, header: Sequence[str]) -> None:
    """Check that the first line is not separated by what other programs use."""
    if len(header) != 1:
        return
    for name, separator in (("semicolons", ";"), ("tabs", "\t"), ("commas", ",")):
        if separator in header[0]:
            raise DataError(
                f"the list {file} is separated by {name}", "use commas in a .csv, or tabs in a .tsv"
            )
