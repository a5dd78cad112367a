"""The tables of a run, from its records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnncli.records.data import DataSet, Part, Sample
from cnncli.records.predictions import Unreadable
from cnncli.records.training import Trial
from cnncli.training.run_folder import Table


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of an image, and what it is.

    Attributes:
        path: relative to the data's root.
        part: of the data.
        label: its class.
        predicted: the most probable class.
        probability: of that one.
        label_probability: of its class.
    """

    path: str
    part: Part
    label: str
    predicted: str
    probability: float
    label_probability: float


def answers(samples: Sequence[Sample], probabilities: NDArray[np.float32], data: DataSet) -> list[Answer]:
    """What a network says of each image, from probabilities (N, K)."""
    best = probabilities.argmax(axis=1)
    return [
        Answer(
            data.relative(sample.path),
            sample.part or Part.VAL,
            data.class_names[sample.label],
            data.class_names[best[row]],
            float(probabilities[row, best[row]]),
            float(probabilities[row, sample.label]),
        )
        for row, sample in enumerate(samples)
    ]


def splits(data: DataSet) -> Table:
    """Which image was in which part; a list that `finetune` reads again, with `--root`."""
    rows = [
        (data.relative(sample.path), data.class_names[sample.label], sample.part) for sample in data.samples
    ]
    return Table("splits.csv", ("path", "label", "split"), rows)


def predictions(answers: Sequence[Answer]) -> Table:
    """What was said of each image that was not learned from."""
    rows = [
        (
            answer.path,
            answer.part,
            answer.label,
            answer.predicted,
            f"{answer.probability:.6f}",
            f"{answer.label_probability:.6f}",
        )
        for answer in answers
    ]
    header = ("path", "split", "label", "predicted", "probability", "label_probability")
    return Table("predictions.csv", header, rows)


def classifiers(trials: Sequence[Trial]) -> Table:
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


def unreadable(records: Sequence[Unreadable], data: DataSet) -> Iterator[Table]:
    """What was left out, where anything was."""
    if records:
        rows = [(data.relative(record.source.path), record.reason) for record in records]
        yield Table("unreadable.csv", ("path", "reason"), rows)


def _rounded(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"
