"""splits.csv: which image of a run was in which split; written and read back.

    path, label, split, bytes, digest, schema

The digest identifies an image (`split_matching`); it is partial where no other image of the run has the same size. Tables of
schema 1 have none.

The number under `schema` is the same in every row: every program that reads CSV understands a column, but not a comment.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnncli.errors import DataError
from cnncli.files.csv_tables import Table, listed_path
from cnncli.images.digest import distinguishing_digests, image_stamps
from cnncli.images.sources import image_source
from cnncli.records.data import DataSet, Sample, Split
from cnncli.regular_file import bounded_lines, open_regular
from cnncli.text import text_stream

SPLITS = "splits.csv"
"""The name of the file in a run's folder."""

SCHEMA = 2
"""The schema number that is written. Later versions must keep reading this one."""

_HEADER = ("path", "label", "split", "bytes", "digest", "schema")
_HEADERS = {"1": tuple(name for name in _HEADER if name != "digest"), str(SCHEMA): _HEADER}
"""The columns of each schema that can be read."""


def splits_table(data: DataSet) -> Table:
    """A data set as splits.csv; `finetune` can read it as a list, with `--root`."""
    sizes = sizes_in_bytes(data.samples)
    digests = distinguishing_digests([sample.source for sample in data.samples], sizes)
    rows = [
        (data.relative(sample.path), data.class_names[sample.label], sample.split, size, digest, SCHEMA)
        for sample, size, digest in zip(data.samples, sizes, digests, strict=True)
    ]
    return Table(SPLITS, _HEADER, rows)


def sizes_in_bytes(samples: Sequence[Sample]) -> list[int | None]:
    """The sizes of the images' files; None where there is none."""
    return [stamp.size if stamp else None for stamp in image_stamps([sample.source for sample in samples])]


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
    rows = read_rows(run)
    if unknown := next((row.label for row in rows if row.label not in labels), None):
        raise _unusable(run, f"the network has no class {unknown!r}")
    samples = tuple(
        Sample(image_source(listed_path(root, row.path)), labels[row.label], row.split) for row in rows
    )
    return DataSet(name, root, class_names, samples)


@dataclass(frozen=True, slots=True)
class SplitRow:
    """A row of splits.csv.

    Attributes:
        path: relative to the data folder.
        label: name of its class.
        split: of the image.
        size: in bytes; None if the file was missing when the table was written.
        digest: of the image's bytes; None if it could not be read.
        schema: schema number of the table.
    """

    path: str
    label: str
    split: Split
    size: int | None
    digest: str | None
    schema: int


def read_rows(run: Path) -> list[SplitRow]:
    """The rows of a run's table.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with text_stream(open_regular(run / SPLITS)) as stream:
            reader = csv.DictReader(bounded_lines(stream), strict=True)
            _require_columns(reader.fieldnames or ())
            return list(map(_row, reader))
    except OSError as error:
        raise _unusable(run, error.strerror or str(error)) from error
    except (ValueError, csv.Error) as error:
        raise _unusable(run, str(error)) from error


def _unusable(run: Path, reason: str) -> DataError:
    return DataError(f"{run / SPLITS} cannot be read: {reason}", "start a new run, with another --output")


def _require_columns(header: Sequence[str]) -> None:
    required = _HEADERS[str(SCHEMA)] if "digest" in header else _HEADERS["1"]
    if missing := [name for name in required if name not in header]:
        earlier = ": it was written before cnncli 0.1.0" if missing == ["schema"] else ""
        raise ValueError(f"it has no column {', '.join(missing)}{earlier}")


def _row(row: Mapping[str, str]) -> SplitRow:
    if row["schema"] not in _HEADERS:
        raise ValueError(f"its schema number is {row['schema']}, and this cnncli reads up to {SCHEMA}")
    size = int(row["bytes"]) if row["bytes"] else None
    split, digest = Split(row["split"]), row.get("digest") or None
    return SplitRow(row["path"], row["label"], split, size, digest, int(row["schema"]))
