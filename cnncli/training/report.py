"""The report of a run: what it was made from, how it was taught, how good it is."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnncli.evaluation import reporting
from cnncli.evaluation.measures import EvaluationContext, evaluation
from cnncli.records.data import DataSet, Split
from cnncli.records.evaluation import Answer, Evaluation
from cnncli.records.predictions import Unreadable
from cnncli.records.report import Report, TrainingSummary

_HELD_OUT = {Split.VAL: "held out from training", Split.TEST: "evaluated once, at the end"}

_MADE = "made"
"""Of the settings, what they met."""


def evaluated(
    model: str, data: DataSet, split: Split, answers: Sequence[Answer], unreadable: Sequence[Unreadable]
) -> Evaluation | None:
    """How good a run is on a split of its data; None where it has none that can be read."""
    if not answers:
        return None
    there = {sample.path for sample in data.split(split)}
    failed = [record for record in unreadable if record.path in there]
    context = EvaluationContext(model, data.name, str(split), _HELD_OUT[split], data.class_names)
    return evaluation(context, answers, relative(data, failed))


def relative(data: DataSet, unreadable: Sequence[Unreadable]) -> list[Unreadable]:
    """The same, with their paths as they are told."""
    return [Unreadable(data.relative(item.path), item.reason) for item in unreadable]


def paths(data: DataSet, unreadable: Sequence[Unreadable]) -> tuple[str, ...]:
    """Which images they are, as they are told."""
    return tuple(item.path for item in relative(data, unreadable))


def write(
    folder: Path,
    name: str,
    data: DataSet,
    found: tuple[Evaluation, Evaluation | None],
    taught: TrainingSummary,
    recorded: Mapping[str, Any],
    unreadable: Sequence[Unreadable],
) -> None:
    """Put a report into a run's folder.

    Args:
        folder: to write to.
        name: of the run.
        data: its images, all that were listed.
        found: how good it is on the validation split, and on the test split if there is one.
        taught: how.
        recorded: the settings as the run keeps them.
        unreadable: images that were left out.

    Raises:
        OSError: it cannot be written.
    """
    val, test = found
    made = recorded.get(_MADE, {})
    counted = ", ".join(f"{len(samples):,} {split}" for split in Split if (samples := data.split(split)))
    report = Report(
        title=f"{name}: {made.get('started_from', '')} taught {data.name}",
        facts=(
            ("network", f"{made.get('started_from', '')}, weights: {made.get('weights', '')}"),
            ("way of training", f"--tune {recorded.get('tune', '')}"),
            ("data", f"{data.name}, {len(data.class_names):,} classes: {counted}"),
            ("made", f"{dt.datetime.now().astimezone():%Y-%m-%d %H:%M}"),
        ),
        evaluation=val,
        test=test,
        data=reporting.data_facts(data, {item.path: item.reason for item in relative(data, unreadable)}),
        taught=taught,
        comparison=None,
        settings=tuple((key, str(value)) for key, value in recorded.items() if key != _MADE),
        versions=tuple((key, str(value)) for key, value in made.items()),
        pictures=reporting.pictures(val, data.root, recorded["max_pixels"]),
    )
    reporting.write_report(folder, report)
