"""The report and the pictures of a run: what it started from, how it was trained, how accurate it is.

A failure to draw or to write them is a warning (`optional_output`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnncli.data.class_health import small_classes
from cnncli.evaluation import reporting
from cnncli.evaluation.measures import EvaluationContext, evaluation
from cnncli.records.data import DataSet, Split
from cnncli.records.evaluation import Answer, Evaluation
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress
from cnncli.records.report import DataFacts, Evaluated, Facts, Report, TrainingSummary
from cnncli.render.worst_classes import part_text
from cnncli.training.optional_output import write_optional
from cnncli.training.settings_file import RecordedSettings

HELD_OUT = {Split.VAL: "held out from training", Split.TEST: "evaluated once, at the end"}
"""Where the splits of a run come from."""


def evaluate_split(
    model: str, data: DataSet, split: Split, answers: Sequence[Answer], unreadable: Sequence[Unreadable]
) -> Evaluation | None:
    """The evaluation of a run on a split of its data; None if no image of the split can be read."""
    if not answers:
        return None
    paths = {sample.path for sample in data.split(split)}
    records = [record for record in unreadable if record.path in paths]
    context = EvaluationContext(model, data.name, str(split), HELD_OUT[split], data.class_names)
    return evaluation(context, answers, with_relative_paths(data, records))


def with_relative_paths(data: DataSet, unreadable: Sequence[Unreadable]) -> list[Unreadable]:
    """The same records, with paths relative to the data's root."""
    return [Unreadable(data.relative(record.path), record.reason) for record in unreadable]


def relative_paths(data: DataSet, unreadable: Sequence[Unreadable]) -> tuple[str, ...]:
    """The paths of some records, relative to the data's root."""
    return tuple(record.path for record in with_relative_paths(data, unreadable))


def write(
    folder: Path,
    name: str,
    data: DataSet,
    evaluations: tuple[Evaluated, Evaluated | None],
    training: TrainingSummary,
    settings: RecordedSettings,
    unreadable: Sequence[Unreadable],
    progress: Progress,
) -> None:
    """Write the report into a run's folder.

    Args:
        folder: the folder.
        name: the run's name.
        data: all images, including unreadable ones.
        evaluations: on the validation split, and on the test split if there is one.
        training: how it was trained.
        settings: the run's settings.
        unreadable: images that were left out.
        progress: receives a warning if it cannot be written.
    """

    def content() -> bytes:
        report = _report(name, data, evaluations, training, settings, unreadable)
        return reporting.report_page(report)

    write_optional(folder / reporting.REPORT, content, progress)


def _report(
    name: str,
    data: DataSet,
    evaluations: tuple[Evaluated, Evaluated | None],
    training: TrainingSummary,
    settings: RecordedSettings,
    unreadable: Sequence[Unreadable],
) -> Report:
    val, test = evaluations
    counts = ", ".join(f"{len(samples):,} {split}" for split in Split if (samples := data.split(split)))
    reasons = {record.path: record.reason for record in with_relative_paths(data, unreadable)}
    return Report(
        title=f"{name}: {settings.base_model} fine-tuned on {data.name}",
        facts=(
            ("base model", f"{settings.base_model}, weights: {settings.weights}"),
            ("training", f"--tune {settings.options.get('tune', '')}"),
            ("data", f"{data.name}, {len(data.class_names):,} classes: {counts}"),
            ("created", f"{dt.datetime.now().astimezone():%Y-%m-%d %H:%M}"),
        ),
        evaluation=val,
        test=test,
        data=_data_facts(data, reasons),
        training=training,
        comparison=None,
        settings=tuple((name, str(value)) for name, value in settings.options.items()),
        versions=_provenance(settings),
        pictures=reporting.pictures(val, None, data.root, settings.options["max_pixels"]),
    )


def _data_facts(data: DataSet, unreadable: Mapping[str, str]) -> DataFacts:
    """The facts of `reporting.data_facts`, with classes that have few training images."""
    facts = reporting.data_facts(data, unreadable)
    few = small_classes(facts.class_names, facts.counts[Split.TRAIN])
    return replace(facts, findings=(*facts.findings, *few))


def write_confusion_matrix(
    folder: Path, counts: NDArray[np.intp], class_names: Sequence[str], progress: Progress
) -> None:
    """Draw the confusion matrix of the validation split into a run's folder."""

    def content() -> bytes:
        from cnncli.render.confusion import confusion_png  # matplotlib takes half a second

        return confusion_png(counts, class_names)

    write_optional(folder / "confusion_matrix.png", content, progress)
    if part := part_text(len(class_names)):
        progress.notice(f"confusion_matrix.png shows {part}")


def write_curves(folder: Path, training: TrainingSummary, progress: Progress) -> None:
    """Draw the learning curves into a run's folder; `progress` receives a warning if they cannot be drawn."""

    def content() -> bytes:
        from cnncli.render.curves import curves_png

        return curves_png(training)

    write_optional(folder / "curves.png", content, progress)


def _provenance(settings: RecordedSettings) -> Facts:
    digest = (("data_digest", settings.data_digest),) if settings.data_digest else ()
    return (*digest, *settings.versions.items())
