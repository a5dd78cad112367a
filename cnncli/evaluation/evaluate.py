"""What `cnncli evaluate` does: labelled images through one network, through several together, or through two to compare."""

import dataclasses
import datetime as dt
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from cnncli import __version__
from cnncli.data import layout
from cnncli.data.layout import ListColumns
from cnncli.errors import UsageError
from cnncli.evaluation import classes
from cnncli.evaluation.classes import Matched
from cnncli.evaluation.measures import Question, evaluation
from cnncli.evaluation.reporting import data_facts, pictures
from cnncli.evaluation.scoring import EnsembleMember, ScoredSamples, score_samples
from cnncli.evaluation.selection import Selection, select_samples
from cnncli.inference import InferenceOptions
from cnncli.networks.dependencies import explain_missing_packages
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataSet
from cnncli.records.evaluation import Comparison, Evaluation
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Deduplicated, Progress
from cnncli.records.report import Facts, Report
from cnncli.text import counted

Bar = Callable[[int], AbstractContextManager[Callable[[], None]]]
"""Given how many images there are to do, a function to call once for each."""


@dataclass(frozen=True, slots=True)
class EvaluateSettings:
    """What is asked of networks, and how they are to work.

    Attributes:
        data: labelled folder or list.
        columns: of a list.
        split: train, val, test or all; None takes test, else val, else all.
        subset: only the classes of the data can be said.
        pairs: a list of what the network calls the data's classes.
        ensemble: average the networks instead of comparing them.
        threshold: tell what is left of the answers above it.
        inference: engine, batches, decoding.
    """

    data: Path
    columns: ListColumns = field(default_factory=ListColumns)
    split: str | None = None
    subset: bool = False
    pairs: Path | None = None
    ensemble: bool = False
    threshold: float | None = None
    inference: InferenceOptions = field(default_factory=InferenceOptions)


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything that is known before a network is asked.

    Attributes:
        data: labelled images.
        chosen: those to judge by.
        members: the networks that answer together, one list for each evaluation.
        matches: what the data's classes are to each of them.
        settings: what was asked for.
    """

    data: DataSet
    chosen: Selection
    members: tuple[tuple[ModelFolder, ...], ...]
    matches: tuple[tuple[Matched, ...], ...]
    settings: EvaluateSettings


def asked(settings: EvaluateSettings, folders: Sequence[ModelFolder]) -> Asked:
    """Find the images, and see that they can be asked about.

    Args:
        settings: what is asked for.
        folders: the networks; of two to compare the new one first.

    Raises:
        DataError: there are no such images, or a network does not know their classes.
        UsageError: networks that cannot be averaged, or more than two to compare.
    """
    members = [tuple(folders)] if settings.ensemble else [(folder,) for folder in folders]
    if len(members) > 2:  # noqa: PLR2004 - the new one and the old one
        raise UsageError(
            f"{len(members)} models to compare", "two can be compared; --ensemble averages any number"
        )
    data = layout.read(settings.data, settings.columns)
    chosen = select_samples(data, settings.split, [folder.path for folder in folders])
    chosen = dataclasses.replace(chosen, remarks=(*chosen.remarks, *_about_exported(folders)))
    occurring = sorted({sample.label for sample in chosen.samples})
    matches = tuple(_matched(settings, data.class_names, occurring, member) for member in members)
    return Asked(data, chosen, tuple(members), matches, settings)


def _about_exported(folders: Sequence[ModelFolder]) -> list[str]:
    """An exported run has left behind which images it learned from."""
    return [
        f"{folder.card.name} was exported, and does not know which images it learned from: some may be among these"
        for folder in folders
        if folder.is_exported
        and any(words in folder.card.weights_origin for words in ("trained on", "on its features of"))
    ]


def evaluate(question: Asked, progress: Progress, bar: Bar) -> list[Evaluation]:
    """Ask the networks.

    Args:
        question: what `asked` found.
        progress: hears what is done, and what may surprise.
        bar: moves while images are looked at.

    Returns:
        One evaluation, or those of the new and of the old network.

    Raises:
        CnncliError: no image can be read, or a network cannot be run.
    """
    chosen = question.chosen
    progress.notice(
        f"{question.data.name}: {counted(len(chosen.samples), 'image')}, {chosen.split}, {chosen.split_source}"
    )
    for remark in chosen.remarks:
        progress.warning(remark)
    progress = Deduplicated(progress)
    with bar(len(chosen.samples) * len(question.members)) as advance:
        judged = [
            _judged(question, member, matches, progress, advance)
            for member, matches in zip(question.members, question.matches, strict=True)
        ]
    failed = {record.path: record for one in judged for record in one.unreadable}
    for record in failed.values():
        progress.warning(f"{record.path} cannot be read: {record.reason}")
    with explain_missing_packages("evaluating"):
        return [
            _evaluated(question, member, matches[0].class_names, one, failed)
            for member, matches, one in zip(question.members, question.matches, judged, strict=True)
        ]


def _judged(
    question: Asked,
    member: Sequence[ModelFolder],
    matches: Sequence[Matched],
    progress: Progress,
    advance: Callable[[], None],
) -> ScoredSamples:
    """What a network, or several together, say of the images."""
    relative = question.data.relative
    places = matches[0].places
    samples = [dataclasses.replace(sample, label=places[sample.label]) for sample in question.chosen.samples]
    members = [EnsembleMember(folder, found.groups) for folder, found in zip(member, matches, strict=True)]
    said = score_samples(members, samples, relative, question.settings.inference, progress, advance)
    unreadable = (Unreadable(relative(item.path), item.reason) for item in said.unreadable)
    return ScoredSamples(said.answers, tuple(unreadable))


def _evaluated(
    question: Asked,
    member: Sequence[ModelFolder],
    class_names: tuple[str, ...],
    said: ScoredSamples,
    failed: Mapping[str, Unreadable],
) -> Evaluation:
    """Of the images that every network could read."""
    chosen = question.chosen
    told = Question(
        model=" + ".join(folder.card.name for folder in member),
        data=question.data.name,
        split=chosen.split,
        split_source=chosen.split_source,
        class_names=class_names,
        threshold=question.settings.threshold,
        remarks=chosen.remarks,
    )
    answers = [answer for answer in said.answers if answer.path not in failed]
    return evaluation(told, answers, tuple(failed.values()))


def _matched(
    settings: EvaluateSettings, names: Sequence[str], occurring: Sequence[int], member: Sequence[ModelFolder]
) -> tuple[Matched, ...]:
    """What the data's classes are to each network of an evaluation."""
    pairs = classes.read_pairs(settings.pairs) if settings.pairs else None
    first, *others = (
        classes.matched(names, occurring, folder.card, pairs, subset=settings.subset) for folder in member
    )
    return (first, *(classes.in_order_of(first, other) for other in others))


def report(question: Asked, found: Evaluation, compared: Comparison | None) -> Report:
    """What a page tells of an evaluation."""
    chosen, data = question.chosen, question.data
    cards = [folder.card for member in question.members for folder in member]
    failed = {record.path: record.reason for record in found.unreadable}
    return Report(
        title=f"{found.model}{f' and {compared.old.model}' if compared else ''} on {found.data}",
        facts=(
            *(("network", f"{card.name}, weights: {card.weights_origin}") for card in cards),
            ("data", f"{data.root}: {chosen.split}, {chosen.split_source}"),
            ("made", f"{dt.datetime.now().astimezone():%Y-%m-%d %H:%M}"),
        ),
        evaluation=found,
        test=None,
        data=data_facts(dataclasses.replace(data, samples=chosen.samples), failed),
        taught=None,
        comparison=compared,
        settings=_settings(question),
        versions=_versions(),
        pictures=pictures(found, data.root, question.settings.inference.max_pixels),
    )


def _settings(question: Asked) -> Facts:
    """Everything that was asked for, under its option's name."""
    settings, options = question.settings, question.settings.inference
    asked_for = {
        "model": ", ".join(str(folder.path) for member in question.members for folder in member),
        "split": settings.split,
        "subset": settings.subset,
        "map": settings.pairs,
        "ensemble": settings.ensemble,
        "threshold": settings.threshold,
        "tta": options.tta,
        "max-pixels": options.max_pixels,
        "exact-decode": options.exact_decode,
        "engine": options.engine.engine,
        "precision": options.engine.precision,
        "device": options.engine.device,
        "batch-size": options.batch_size,
        "workers": options.workers,
    }
    return tuple((name, str(value)) for name, value in asked_for.items() if value not in {None, False})


def _versions() -> Facts:
    """Of what had a hand in it."""
    packages = ("numpy", "pillow", "onnxruntime", "scikit-learn", "scipy")
    return (
        ("cnncli", __version__),
        ("python", platform.python_version()),
        *((package, metadata.version(package)) for package in packages),
    )
