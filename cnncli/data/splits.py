"""splits.csv: which image of a run was in which split; written and read back.

    path, label, split, bytes, digest, schema

A data set with tasks has a column for each in place of `label`, with the classes of an image and | between them, or ? where they
are unknown. Its schema number is 3, that of others 2.

The digest identifies an image (`split_matching`); it is partial where no other image of the run has the same size. Tables of
schema 1 have none.

The number under `schema` is the same in every row: every program that reads CSV understands a column, but not a comment.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cnncli.data.labels import answer_text, parse_answer
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.files.csv_tables import Table, listed_path
from cnncli.images.digest import distinguishing_digests, image_stamps
from cnncli.images.sources import image_source
from cnncli.records.data import NO_LABEL, DataSet, Sample, Split
from cnncli.records.list_columns import LABEL_COLUMN, SPLIT_FIELDS
from cnncli.records.tasks import Task
from cnncli.regular_file import bounded_lines, open_regular
from cnncli.text import text_stream

SPLITS = "splits.csv"
"""The name of the file in a run's folder."""

SCHEMA = 3
"""The newest schema number. Later versions must keep reading this one, and that of data sets without tasks."""

_PLAIN_SCHEMA = 2
"""The schema number that is written for a data set without tasks."""


def splits_table(data: DataSet) -> Table:
    """A data set as splits.csv; `finetune` can read it as a list, with `--root`."""
    sizes = sizes_in_bytes(data.samples)
    digests = distinguishing_digests([sample.source for sample in data.samples], sizes)
    schema = SCHEMA if data.tasks else _PLAIN_SCHEMA
    rows = [
        (data.relative(sample.path), *_cells(data, sample), sample.split, size, digest, schema)
        for sample, size, digest in zip(data.samples, sizes, digests, strict=True)
    ]
    return Table(SPLITS, ("path", *_label_columns(data.tasks), *SPLIT_FIELDS), rows)


def _label_columns(tasks: Sequence[Task]) -> tuple[str, ...]:
    return tuple(task.name for task in tasks) or (LABEL_COLUMN,)


def _cells(data: DataSet, sample: Sample) -> Iterator[str]:
    """The labels of an image, one cell per column of labels."""
    if not data.tasks:
        yield data.class_names[sample.label]
    for task, answer in zip(data.tasks, sample.answers, strict=True):
        names = None if answer is None else tuple(task.class_names[index] for index in answer)
        yield answer_text(names)


def sizes_in_bytes(samples: Sequence[Sample]) -> list[int | None]:
    """The sizes of the images' files; None where there is none."""
    return [stamp.size if stamp else None for stamp in image_stamps([sample.source for sample in samples])]


@frozen_dataclass
class SplitRow:
    """A row of splits.csv.

    Attributes:
        path: relative to the data folder.
        labels: its cells in the columns of labels that were asked for.
        split: of the image.
        size: in bytes; None if the file was missing when the table was written.
        digest: of the image's bytes; None if it could not be read.
        schema: schema number of the table.
    """

    path: str
    labels: tuple[str, ...]
    split: Split
    size: int | None
    digest: str | None
    schema: int


def read_splits(
    run: Path, root: str, class_names: tuple[str, ...], name: str, tasks: Sequence[Task] = ()
) -> DataSet:
    """The data set of a run, in the order of its splits.csv.

    Args:
        run: the folder of the run.
        root: what the paths in the table are relative to.
        class_names: of the network.
        name: of the data set.
        tasks: of the network.

    Raises:
        DataError: the table cannot be read.
    """
    classes = [task.class_names for task in tasks] or [class_names]
    indices = [{label: index for index, label in enumerate(names)} for names in classes]
    rows = read_rows(run, _label_columns(tasks))
    try:
        samples = tuple(_sample(row, root, tasks, indices) for row in rows)
    except KeyError as error:
        raise _unusable(run, f"the network has no class {error.args[0]!r}") from error
    return DataSet(
        name, root, class_names, samples, tasks=tuple(replace(task, thresholds=None) for task in tasks)
    )


def _sample(row: SplitRow, root: str, tasks: Sequence[Task], indices: Sequence[Mapping[str, int]]) -> Sample:
    """The image of a row; KeyError if the network does not have its class."""
    source = image_source(listed_path(root, row.path))
    if not tasks:
        return Sample(source, indices[0][row.labels[0]], row.split)
    answers = (parse_answer(cell, task.kind) for cell, task in zip(row.labels, tasks, strict=True))
    return Sample(
        source,
        NO_LABEL,
        row.split,
        tuple(
            None if answer is None else tuple(index[label] for label in answer)
            for answer, index in zip(answers, indices, strict=True)
        ),
    )


def read_rows(run: Path, label_columns: Sequence[str] = ()) -> list[SplitRow]:
    """The rows of a run's table, with the cells of some of its columns of labels.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with text_stream(open_regular(run / SPLITS)) as stream:
            reader = csv.DictReader(bounded_lines(stream), strict=True)
            _require_columns(reader.fieldnames or (), label_columns)
            return [_row(row, label_columns) for row in reader]
    except OSError as error:
        raise _unusable(run, error.strerror or str(error)) from error
    except (ValueError, csv.Error) as error:
        raise _unusable(run, str(error)) from error


def _unusable(run: Path, reason: str) -> DataError:
    return DataError(f"{run / SPLITS} cannot be read: {reason}", "start a new run, with another --output")


def _require_columns(header: Sequence[str], label_columns: Sequence[str]) -> None:
    required = (
        "path",
        *label_columns,
        *(name for name in SPLIT_FIELDS if name in header or name != "digest"),
    )
    if missing := [name for name in required if name not in header]:
        earlier = ": it was written before cnncli 0.1.0" if missing == ["schema"] else ""
        raise ValueError(f"it has no column {', '.join(missing)}{earlier}")


def _row(row: Mapping[str, str], label_columns: Sequence[str]) -> SplitRow:
    if row["schema"] not in map(str, range(1, SCHEMA + 1)):
        raise ValueError(f"its schema number is {row['schema']}, and this cnncli reads up to {SCHEMA}")
    if int(row["schema"]) > 1 and "digest" not in row:
        raise ValueError("it has no column digest")
    labels = tuple(row[column] for column in label_columns)
    size = int(row["bytes"]) if row["bytes"] else None
    split, digest = Split(row["split"]), row.get("digest") or None
    return SplitRow(row["path"], labels, split, size, digest, int(row["schema"]))
