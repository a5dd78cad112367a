"""splits.csv: which image of a run was in which split; written, read back, and matched with data on disk.

    path, label, split, bytes, schema

An image is recognised by the names of its folder and its file and by its size in bytes; where its folder has another name,
by file name and size, if these are unique and the file is large enough. So data may be moved, classes may be renamed, and
a part of the data may be evaluated.

The number under `schema` is the same in every row: every program that reads CSV understands a column, but not a comment.
"""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from cnncli.errors import DataError
from cnncli.files.csv_tables import Table
from cnncli.images.sources import image_source
from cnncli.records.data import DataSet, Sample, Split

SPLITS = "splits.csv"
"""The name of the file in a run's folder."""

SCHEMA = 1
"""The schema number that is written. Later versions must keep reading this one."""

_HEADER = ("path", "label", "split", "bytes", "schema")

_UNIQUE_SIZE = 4096
"""Size in bytes from which two different files of the same name hardly ever have the same size."""

_Key = tuple[str, str, int]
"""Folder name, file name, size in bytes."""


def splits_table(data: DataSet) -> Table:
    """A data set as splits.csv; `finetune` can read it as a list, with `--root`."""
    rows = [
        (data.relative(sample.path), data.class_names[sample.label], sample.split, _size(sample), SCHEMA)
        for sample in data.samples
    ]
    return Table(SPLITS, _HEADER, rows)


def _size(sample: Sample) -> int | None:
    stamp = sample.source.stamp()
    return stamp.size if stamp else None


def read_splits(run: Path, root: str, class_names: tuple[str, ...], name: str) -> DataSet:
    """The data set of a run, in the order of its splits.csv.

    Args:
        run: the folder of the run.
        root: what the paths in the table are relative to.
        class_names: of the network.
        name: of the data set.

    Raises:
        DataError: the table cannot be read.
    """
    labels = {label: index for index, label in enumerate(class_names)}
    rows = _read(run)
    if unknown := next((row.label for row in rows if row.label not in labels), None):
        raise _unusable(run, f"the network has no class {unknown!r}")
    samples = tuple(
        Sample(image_source(os.path.join(root, row.path)), labels[row.label], row.split)  # noqa: PTH118 - the path is a string
        for row in rows
    )
    return DataSet(name, root, class_names, samples)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of splits.csv; size is None if the file was missing when the table was written."""

    path: str
    label: str
    split: Split
    size: int | None


def _read(run: Path) -> list[_Row]:
    try:
        with (run / SPLITS).open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            reader = csv.DictReader(stream)
            _require_columns(reader.fieldnames or ())
            return list(map(_row, reader))
    except OSError as error:
        raise _unusable(run, error.strerror or str(error)) from error
    except (ValueError, csv.Error) as error:
        raise _unusable(run, str(error)) from error


def _unusable(run: Path, reason: str) -> DataError:
    return DataError(f"{run / SPLITS} cannot be read: {reason}", "start a new run, with another --output")


def _require_columns(header: Sequence[str]) -> None:
    if missing := [name for name in _HEADER if name not in header]:
        earlier = ": it was written before cnncli 0.1.0" if missing == ["schema"] else ""
        raise ValueError(f"it has no column {', '.join(missing)}{earlier}")


def _row(row: Mapping[str, str]) -> _Row:
    if row["schema"] != str(SCHEMA):
        raise ValueError(f"its schema number is {row['schema']}, and this cnncli reads {SCHEMA}")
    return _Row(row["path"], row["label"], Split(row["split"]), int(row["bytes"]) if row["bytes"] else None)


# ---- matching


@dataclass(frozen=True, slots=True)
class KnownSplits:
    """The splits that the images of a data set had in earlier runs.

    Attributes:
        splits: of the images that occur in a run, by path; train if any run trained on the image.
        runs: the folders of the runs in which any of the images occur.
        remarks: one line for each table that cannot be used.
    """

    splits: Mapping[str, Split]
    runs: tuple[str, ...]
    remarks: tuple[str, ...]

    def is_trained_on(self, sample: Sample) -> bool:
        """Whether a run trained on an image."""
        return self.splits.get(sample.path) is Split.TRAIN


def match_splits(data: DataSet, runs: Sequence[Path]) -> KnownSplits:
    """Match a data set with the splits.csv of some runs; folders without one are skipped."""
    tables, remarks = _tables(runs)
    keys = {sample.path: _key(sample) for sample in data.samples} if tables else {}
    splits: dict[str, Split] = {}
    matching_runs: list[str] = []
    for run, rows in tables.items():
        matches = dict(_matches(keys, rows))
        matching_runs += [str(run)] if matches else []
        splits |= {path: split for path, split in matches.items() if splits.get(path) is not Split.TRAIN}
    return KnownSplits(splits, tuple(matching_runs), tuple(remarks))


def _tables(runs: Iterable[Path]) -> tuple[dict[Path, list[_Row]], list[str]]:
    """The rows of each run that has a table, and remarks on tables that cannot be used."""
    tables: dict[Path, list[_Row]] = {}
    remarks = []
    for run in runs:
        if (run / SPLITS).is_file():
            try:
                tables[run] = _read(run)
            except DataError as error:
                remarks.append(str(error))
    return tables, remarks


def _matches(keys: Mapping[str, _Key | None], rows: Sequence[_Row]) -> Iterator[tuple[str, Split]]:
    """Paths of images that are in a table, and their splits."""
    entries = [(PurePath(row.path), row.split, row.size) for row in rows if row.size is not None]
    counts = Counter((path.name, size) for path, _, size in entries)
    by_key = {(path.parent.name, path.name, size): split for path, split, size in entries}
    by_name = {
        (path.name, size): split
        for path, split, size in entries
        if size >= _UNIQUE_SIZE and counts[path.name, size] == 1
    }
    for path, key in keys.items():
        if key and (split := by_key.get(key) or by_name.get(key[1:])):
            yield path, split


def _key(sample: Sample) -> _Key | None:
    size, path = _size(sample), PurePath(sample.path)
    return None if size is None else (path.parent.name, path.name, size)


def missing_held_out(data: DataSet, runs: Sequence[Path]) -> list[str]:
    """Paths of images that a run held out and that are no longer in the data, each once."""
    names = {(PurePath(sample.path).parent.name, PurePath(sample.path).name) for sample in data.samples}
    tables, _ = _tables(runs)
    missing = {
        row.path: row.size
        for rows in tables.values()
        for row in rows
        if row.split is not Split.TRAIN
        and (PurePath(row.path).parent.name, PurePath(row.path).name) not in names
    }
    renamed = {key[1:] for sample in data.samples if missing and (key := _key(sample))}
    return [path for path, size in missing.items() if (PurePath(path).name, size) not in renamed]
