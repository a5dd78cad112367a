"""What `cnncli evaluate` does: labelled images through one network, through several together, or through two to compare."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from cnncli import __version__
from cnncli.data import layout
from cnncli.data.layout import ListColumns
from cnncli.errors import UsageError
from cnncli.evaluation import choice, classes
from cnncli.evaluation.classes import Matched
from cnncli.evaluation.judging import JudgeSettings, Juror, judge
from cnncli.evaluation.measures import Question, evaluation
from cnncli.evaluation.reporting import data_facts, pictures
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataSet
from cnncli.records.evaluation import Comparison, Evaluation
from cnncli.records.progress import Once, Progress
from cnncli.records.report import Report

Bar = Callable[[int], AbstractContextManager[Callable[[], None]]]
"""Given how many images there are to do, a function to call once for each."""


@dataclass(frozen=True, slots=True)
class EvaluateSettings:
    """What is asked of networks, and how they are to work.

    Attributes:
        data: labelled folder or list.
        columns: of a list.
        part: train, val, test or all; None takes test, else val, else all.
        subset: only the classes of the data can be said.
        pairs: a list of what the network calls the data's classes.
        ensemble: average the networks instead of comparing them.
        judging: how they are shown images.
    """

    data: Path
    columns: ListColumns = field(default_factory=ListColumns)
    part: str | None = None
    subset: bool = False
    pairs: Path | None = None
    ensemble: bool = False
    judging: JudgeSettings = field(default_factory=JudgeSettings)


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything that is known before a network is asked.

    Attributes:
        data: labelled images.
        chosen: those to judge by.
        members: the networks that answer together, one list for each evaluation.
        settings: what was asked for.
    """

    data: DataSet
    chosen: choice.Chosen
    members: tuple[tuple[ModelFolder, ...], ...]
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
    chosen = choice.chosen(data, settings.part, [folder.path for folder in folders])
    found = Asked(data, chosen, tuple(members), settings)
    for member in members:
        _matched(found, member)
    return found


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
    progress.notice(f"{question.data.name}: {len(chosen.samples):,} images, {chosen.part}, {chosen.why}")
    for remark in chosen.remarks:
        progress.warning(remark)
    progress = Once(progress)
    with bar(len(chosen.samples) * len(question.members)) as advance:
        return [_evaluated(question, member, progress, advance) for member in question.members]


def _evaluated(
    question: Asked, member: Sequence[ModelFolder], progress: Progress, advance: Callable[[], None]
) -> Evaluation:
    chosen, matches = question.chosen, _matched(question, member)
    places = matches[0].places
    samples = [dataclasses.replace(sample, label=places[sample.label]) for sample in chosen.samples]
    jurors = [Juror(folder, found.groups) for folder, found in zip(member, matches, strict=True)]
    said = judge(jurors, samples, question.data.relative, question.settings.judging, progress, advance)
    for record in said.unreadable:
        progress.warning(f"{record.source.path} cannot be read: {record.reason}")
    told = Question(
        model=" + ".join(folder.card.name for folder in member),
        data=question.data.name,
        part=chosen.part,
        why=chosen.why,
        class_names=matches[0].class_names,
        remarks=chosen.remarks,
    )
    return evaluation(told, said.answers, said.unreadable)


def _matched(question: Asked, member: Sequence[ModelFolder]) -> list[Matched]:
    """What the data's classes are to each network of an evaluation."""
    settings, data = question.settings, question.data
    occurring = sorted({sample.label for sample in question.chosen.samples})
    pairs = classes.read_pairs(settings.pairs) if settings.pairs else None
    found = [
        classes.matched(data.class_names, occurring, folder.card, pairs, subset=settings.subset)
        for folder in member
    ]
    return [found[0], *(classes.in_order_of(found[0], other) for other in found[1:])]


def report(question: Asked, found: Evaluation, compared: Comparison | None) -> Report:
    """What a page tells of an evaluation."""
    settings, chosen = question.settings, question.chosen
    cards = [folder.card for folder in question.members[0]]
    judging = settings.judging
    asked_for = {
        "split": settings.part,
        "subset": settings.subset or None,
        "map": settings.pairs,
        "tta": judging.tta or None,
        "exact-decode": judging.exact_decode or None,
        "engine": judging.running.engine,
        "precision": judging.running.precision,
        "device": judging.running.device,
    }
    return Report(
        title=f"{found.model} on {found.data}",
        facts=(
            *(("network", f"{card.name}, weights: {card.weights_origin}") for card in cards),
            ("data", f"{question.data.root}: {chosen.part}, {chosen.why}"),
            ("made", f"{dt.datetime.now().astimezone():%Y-%m-%d %H:%M}"),
        ),
        evaluation=found,
        test=None,
        data=data_facts(dataclasses.replace(question.data, samples=chosen.samples), found.unreadable),
        taught=None,
        comparison=compared,
        settings=tuple((name, str(value)) for name, value in asked_for.items() if value is not None),
        versions=(("cnncli", __version__), *((item.package, item.version) for item in cards[0].versions)),
        pictures=pictures(found, question.data.root, judging.max_pixels),
    )
