"""`cnncli evaluate`: run labelled images through one network, an ensemble, or two networks to compare."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Generic, TypeVar

from cnncli.data import layout
from cnncli.data.splits import SPLITS
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.evaluation import classes
from cnncli.evaluation.classes import ClassMap, ClassMatch
from cnncli.evaluation.measures import EvaluationContext, evaluation
from cnncli.evaluation.others import evaluate_others, require_others
from cnncli.evaluation.scoring import EnsembleMember, ScoredSamples, score_samples
from cnncli.evaluation.selection import Selection, select_samples
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataPath, DataSet
from cnncli.records.defaults import KNOWN_SHARE
from cnncli.records.engines import InferenceOptions
from cnncli.records.evaluation import Evaluation, OthersEvaluation
from cnncli.records.list_columns import ListColumns
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Deduplicated, Progress, ProgressBar, activity_if_many
from cnncli.text import counted


@frozen_dataclass
class EvaluationSettings:
    """What to evaluate, and how the networks run.

    Attributes:
        data: a labelled folder, a list or archives.
        columns: columns of a list.
        split: train, val, test or all; None takes test, else val, else all.
        subset: whether only the classes of the data can be predicted.
        class_map: file with the network's names for the data's classes.
        ensemble: whether to average the networks instead of comparing them.
        threshold: also report coverage and accuracy at this confidence.
        others: folder of images that show none of the classes, and are to be told apart from those that do; None for none.
        unfamiliar: share of known images to keep when others are told apart from them.
        inference: engine, batches, decoding.
    """

    data: DataPath
    columns: ListColumns = field(default_factory=ListColumns)
    split: str | None = None
    subset: bool = False
    class_map: Path | None = None
    ensemble: bool = False
    threshold: float | None = None
    others: str | None = None
    unfamiliar: float = KNOWN_SHARE
    inference: InferenceOptions = field(default_factory=InferenceOptions)


Match = TypeVar("Match")
"""How the classes of the data match those of a network, or of one of its tasks."""


@frozen_dataclass
class Plan(Generic[Match]):
    """Everything that is known before a network runs.

    Attributes:
        data: labelled images.
        selection: the images to evaluate on.
        members: the networks of each evaluation; several are averaged.
        matches: how the data's classes match, for each evaluation: one for each network, or for each task.
        settings: what to evaluate, and how.
    """

    data: DataSet
    selection: Selection
    members: tuple[tuple[ModelFolder, ...], ...]
    matches: tuple[tuple[Match, ...], ...]
    settings: EvaluationSettings

    def __str__(self) -> str:
        """Name of the data, number of images, split."""
        images = counted(len(self.selection.samples), "image")
        return f"{self.data.name}: {images}, {self.selection.split} ({self.selection.split_source})"

    def model_name(self, number: int) -> str:
        """The name of the network of an evaluation, or of the networks of an ensemble."""
        return " + ".join(folder.card.name for folder in self.members[number])


Scored = TypeVar("Scored")
"""What the networks of an evaluation say of the images."""

_ScoreMember = Callable[
    [Plan[Match], Sequence[ModelFolder], Sequence[Match], Progress, Callable[[], None]], Scored
]

EvaluationPlan = Plan[ClassMatch]
"""The plan for networks without tasks; one match for each network."""


def plan_evaluation(
    settings: EvaluationSettings, folders: Sequence[ModelFolder], progress: Progress
) -> EvaluationPlan:
    """Select the images and match their classes, before any network runs.

    Args:
        settings: what to evaluate.
        folders: the networks; if two are compared, the new one first.
        progress: reports that the images are compared with those of a run, if they are many.

    Raises:
        DataError: there are no such images, or a network does not have their classes.
        UsageError: the networks cannot be averaged, or there are more than two to compare.
    """
    members = group_members(settings, folders)
    data = layout.read(settings.data, settings.columns)
    if settings.others:
        require_others(settings.others, settings.unfamiliar, data, folders, settings.inference)
    selection = choose_images(data, settings.split, folders, progress)
    return plan_selection(settings, data, selection, members)


def group_members(
    settings: EvaluationSettings, folders: Sequence[ModelFolder]
) -> tuple[tuple[ModelFolder, ...], ...]:
    """The networks of each evaluation: all together, or each alone.

    Raises:
        UsageError: there are more than two to compare.
    """
    if settings.ensemble:
        return (tuple(folders),)
    if len(folders) > 2:  # noqa: PLR2004 - the new one and the old one
        raise UsageError(
            f"{len(folders)} models to compare", "two can be compared; --ensemble averages any number"
        )
    return tuple((folder,) for folder in folders)


def choose_images(
    data: DataSet, split: str | None, folders: Sequence[ModelFolder], progress: Progress
) -> Selection:
    """The images of a split that networks are evaluated on, with remarks on what the networks may know of them."""
    with activity_if_many(progress, "looking for training images", len(data.samples)):
        selection = select_samples(data, split, [folder.path for folder in folders])
    return dataclasses.replace(selection, remarks=(*selection.remarks, *_exported_remarks(folders)))


def plan_selection(
    settings: EvaluationSettings,
    data: DataSet,
    selection: Selection,
    members: Sequence[tuple[ModelFolder, ...]],
) -> EvaluationPlan:
    """Match the classes of images that have been selected.

    Args:
        settings: what to evaluate.
        data: that the images are of.
        selection: the images.
        members: the networks of each evaluation.

    Raises:
        DataError: a network does not have their classes.
    """
    occurring = sorted({sample.label for sample in selection.samples})
    matches = tuple(_match_classes(settings, data.class_names, occurring, member) for member in members)
    return Plan(data, selection, tuple(members), matches, settings)


def read_class_map(settings: EvaluationSettings) -> ClassMap | None:
    """The network's names for classes of the data; None without --map."""
    return classes.read_class_map(settings.class_map) if settings.class_map else None


def _exported_remarks(folders: Sequence[ModelFolder]) -> list[str]:
    """Remarks on exported networks, which no longer have the splits.csv of their run."""
    return [
        f"{folder.card.name} was exported and has no record of its training images: some may be among these"
        for folder in folders
        if folder.is_exported
        and not (folder.path / SPLITS).exists()
        and any(words in folder.card.weights_origin for words in ("trained on", "on its features of"))
    ]


def _match_classes(
    settings: EvaluationSettings,
    names: Sequence[str],
    occurring: Sequence[int],
    member: Sequence[ModelFolder],
) -> tuple[ClassMatch, ...]:
    """Match the data's classes with those of each network of an evaluation."""
    class_map = read_class_map(settings)
    first, *others = (
        classes.match_classes(names, occurring, folder.card, class_map, subset=settings.subset)
        for folder in member
    )
    return (first, *(classes.align_classes(first, other) for other in others))


def evaluate(plan: EvaluationPlan, progress: Progress, bar: ProgressBar) -> list[Evaluation]:
    """Run the networks on the images.

    Args:
        plan: made by `plan_evaluation`.
        progress: reports what is evaluated, and anything unexpected.
        bar: opens a progress bar over the images of each network.

    Returns:
        One evaluation, or those of the new and of the old network.

    Raises:
        CnncliError: no image can be read, or a network cannot run.
    """
    evaluations = evaluate_scored(plan, score_members(plan, _score, progress, bar), progress)
    others = tell_others(plan, progress, bar)
    return [dataclasses.replace(evaluation, others=others) for evaluation in evaluations]


def tell_others(plan: Plan[Match], progress: Progress, bar: ProgressBar) -> OthersEvaluation | None:
    """How well the network tells the images of a plan from others; None if there are none.

    Raises:
        DataError: none of the others can be read.
    """
    settings = plan.settings
    if not settings.others:
        return None
    known = [sample.source for sample in plan.selection.samples]
    (folder,) = plan.members[0]
    share, options = settings.unfamiliar, settings.inference
    return evaluate_others(settings.others, share, folder, known, options, progress, bar)


def score_members(
    plan: Plan[Match], score: _ScoreMember[Match, Scored], progress: Progress, bar: ProgressBar
) -> list[Scored]:
    """Run the networks of each evaluation on the images.

    Args:
        plan: what is evaluated.
        score: runs the networks of one evaluation, given how the data's classes match.
        progress: reports remarks of the plan, and anything unexpected.
        bar: opens a progress bar over the images of each network.
    """
    for remark in plan.selection.remarks:
        progress.warning(remark)
    progress = Deduplicated(progress)
    with bar(len(plan.selection.samples) * len(plan.members)) as advance:
        return [
            score(plan, member, matches, progress, advance)
            for member, matches in zip(plan.members, plan.matches, strict=True)
        ]


def evaluate_scored(
    plan: EvaluationPlan, scored: Sequence[ScoredSamples], progress: Progress
) -> list[Evaluation]:
    """The evaluations of answers that are there already.

    Args:
        plan: what was evaluated.
        scored: the answers for each evaluation of the plan, with paths relative to the data.
        progress: reports images that could not be read.

    Raises:
        CnncliError: no image could be read.
    """
    failed = warn_unreadable((record for outcome in scored for record in outcome.unreadable), progress)
    return [_evaluate_scored(plan, number, outcome, failed) for number, outcome in enumerate(scored)]


def warn_unreadable(records: Iterable[Unreadable], progress: Progress) -> Mapping[str, Unreadable]:
    """Images that a network could not read, by path; `progress` gets a warning for each."""
    failed = {record.path: record for record in records}
    for record in failed.values():
        progress.warning(f"{record.path} cannot be read: {record.reason}")
    return failed


def _score(
    plan: EvaluationPlan,
    member: Sequence[ModelFolder],
    matches: Sequence[ClassMatch],
    progress: Progress,
    advance: Callable[[], None],
) -> ScoredSamples:
    """Answers of one network or ensemble, with paths relative to the data."""
    relative, indices = plan.data.relative, matches[0].indices
    samples = [dataclasses.replace(sample, label=indices[sample.label]) for sample in plan.selection.samples]
    members = [EnsembleMember(folder, match.groups) for folder, match in zip(member, matches, strict=True)]
    scored = score_samples(members, samples, relative, plan.settings.inference, progress, advance)
    unreadable = (Unreadable(relative(record.path), record.reason) for record in scored.unreadable)
    return ScoredSamples(scored.answers, tuple(unreadable))


def _evaluate_scored(
    plan: EvaluationPlan, number: int, scored: ScoredSamples, failed: Mapping[str, Unreadable]
) -> Evaluation:
    """One evaluation of a plan, on those images that every network could read."""
    context = EvaluationContext(
        model=plan.model_name(number),
        data=plan.data.name,
        split=plan.selection.split,
        split_source=plan.selection.split_source,
        class_names=plan.matches[number][0].class_names,
        threshold=plan.settings.threshold,
        remarks=plan.selection.remarks,
    )
    answers = [answer for answer in scored.answers if answer.path not in failed]
    return evaluation(context, answers, tuple(failed.values()))
