"""history.csv: one row per epoch of training.

    epoch, lr, train_loss, train_top1, val_loss, val_top1, seconds, images_per_second, val_balanced, schema

`val_balanced`, the mean over classes of their accuracy, is empty where classes are not weighted. The schema number is the same in every row, as in splits.csv.

A run with tasks has `val_score` in place of `val_balanced`, and a column `val_score:TASK` for each task, empty where no validation
image can tell.
"""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cnncli.errors import DataError
from cnncli.files.csv_tables import Table
from cnncli.files.schema import schema_problem
from cnncli.files.whole import whole_file
from cnncli.records.tasks import Task
from cnncli.records.training import Epoch
from cnncli.regular_file import bounded_lines, open_text

HISTORY = "history.csv"

SCHEMA, TASKS_SCHEMA = 2, 3
"""Schema numbers of new files, and of those of runs with tasks. Later versions must still read files with these numbers."""

_NUMBERS = ("lr", "train_loss", "train_top1", "val_loss", "val_top1", "seconds", "images_per_second")


_TASK = "val_score:"
"""Prefix of the column of a task's score."""


def write_history(run: Path, history: Sequence[Epoch], tasks: Sequence[Task] = ()) -> None:
    """Rewrite the table of a run with all epochs so far.

    Raises:
        OSError: it cannot be written.
    """
    scores = ("val_score", *(f"{_TASK}{task.name}" for task in tasks)) if tasks else ("val_balanced",)
    with (
        whole_file(run / HISTORY, overwrite=True, alone=True) as draft,
        draft.open("w", encoding="utf-8", newline="") as stream,
    ):
        Table(HISTORY, ("epoch", *_NUMBERS, *scores, "schema"), list(map(_row, history))).write(stream)


def _row(epoch: Epoch) -> tuple[str | int, ...]:
    values = [getattr(epoch, name) for name in _NUMBERS]
    if epoch.val_score is None:
        return (epoch.number, *map(_number, (*values, epoch.val_balanced)), SCHEMA)
    return (epoch.number, *map(_number, (*values, epoch.val_score, *epoch.val_scores)), TASKS_SCHEMA)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


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
    if problem := schema_problem(int(schema) if schema else None, TASKS_SCHEMA, ""):
        raise ValueError(problem.reason)
    values: dict[str, Any] = {name: float(row[name]) for name in _NUMBERS}
    epoch = Epoch(int(row["epoch"]), **values)
    if "val_score" in row:  # schema 3
        scores = tuple(float(row[name]) if row[name] else None for name in row if name.startswith(_TASK))
        return replace(epoch, val_scores=scores, val_score=float(row["val_score"]))
    balanced = row.get("val_balanced")  # from schema 2 on
    return replace(epoch, val_balanced=float(balanced) if balanced else None)
