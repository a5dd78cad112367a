"""The tables of a run, from its records."""

from collections.abc import Sequence

from cnncli.files.tables import Table
from cnncli.records.training import ClassifierScore


def classifiers(trials: Sequence[ClassifierScore]) -> Table:
    """The classifiers that were tried."""
    rows = [
        (
            trial.name,
            trial.strength,
            _rounded(trial.cross_validated),
            _rounded(trial.standard_error),
            _rounded(trial.train.share),
            _rounded(trial.val.share),
            _rounded(trial.val.low),
            _rounded(trial.val.high),
            _rounded(trial.seconds),
        )
        for trial in trials
    ]
    header = (
        "classifier",
        "strength",
        "cross_validated",
        "standard_error",
        "train",
        "val",
        "val_low",
        "val_high",
        "seconds",
    )
    return Table("classifiers.csv", header, rows)


def _rounded(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"
