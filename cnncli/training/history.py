"""history.csv: one row per epoch of training.

    epoch, lr, train_loss, train_top1, val_loss, val_top1, seconds, images_per_second, val_balanced, schema

`val_balanced`, the mean over classes of their accuracy, is empty where classes are not weighted. The schema number is the same in every row, as in splits.csv.
"""

import csv
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path

from cnncli.errors import DataError
from cnncli.files.csv_tables import Table
from cnncli.files.schema import schema_problem
from cnncli.files.whole import whole_file
from cnncli.records.training import Epoch
from cnncli.regular_file import bounded_lines, open_text

HISTORY = "history.csv"

SCHEMA = 2
"""Schema number of new files. Later versions must still read files with this number."""

_NUMBERS = ("lr", "train_loss", "train_top1", "val_loss", "val_top1", "seconds", "images_per_second")


def write_history(run: Path, history: Sequence[Epoch]) -> None:
    """Rewrite the table of a run with all epochs so far.

    Raises:
        OSError: it cannot be written.
    """
    with (
        whole_file(run / HISTORY, overwrite=True, alone=True) as draft,
        draft.open("w", encoding="utf-8", newline="") as stream,
    ):
        Table(HISTORY, ("epoch", *_NUMBERS, "val_balanced", "schema"), list(map(_row, history))).write(stream)


def _row(epoch: Epoch) -> tuple[str | int, ...]:
    number, *values = astuple(epoch)
    return (number, *("" if value is None else f"{value:.6g}" for value in values), SCHEMA)


def read_history(run: Path) -> list[Epoch]:
    """The epochs of a run, rounded to six digits.

    Raises:
        DataError: the table cannot be read.
    """
    file = run / HISTORY
    try:
        with open_text(file, newline="") as stream:
            return [_epoch(row) for row in csv.DictReader(bounded_lines(stream))]
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read: {error}") from error


def _epoch(row: dict[str, str]) -> Epoch:
    schema = row.get("schema")
    if problem := schema_problem(int(schema) if schema else None, SCHEMA, ""):
        raise ValueError(problem.reason)
    balanced = row.get("val_balanced")  # from schema 2 on
    epoch = Epoch(int(row["epoch"]), *(float(row[name]) for name in _NUMBERS))
    return replace(epoch, val_balanced=float(balanced) if balanced else None)
