"""`cnncli evaluate` for networks with tasks: one network, an ensemble, or two networks to compare."""

import dataclasses
from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np

from cnncli.errors import UsageError
from cnncli.evaluation.evaluate import (
    EvaluationSettings,
    Plan,
    choose_images,
    group_members,
    read_class_map,
    score_members,
    tell_others,
    warn_unreadable,
)
from cnncli.evaluation.others import require_others
from cnncli.evaluation.selection import Selection
from cnncli.evaluation.tasks.columns import read_data
from cnncli.evaluation.tasks.figures import EvaluatedTasks, TasksContext, evaluate_tasks
from cnncli.evaluation.tasks.matching import TaskMatch, match_tasks
from cnncli.evaluation.tasks.scoring import ScoredTargets, score_targets
from cnncli.evaluation.tasks.thresholds import thresholds_of
from cnncli.networks.dependencies import explain_missing_packages
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataSet
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress, ProgressBar
from cnncli.records.tasks import AnswerKind, Task

TasksPlan = Plan[TaskMatch]
"""The plan for networks with tasks; one match for each task that the data have."""


def concerns_tasks(settings: EvaluationSettings, folders: Sequence[ModelFolder]) -> bool:
    """Whether the networks, or the columns that are named, have tasks."""
    return bool(settings.columns.tasks) or any(folder.card.tasks for folder in folders)


def plan_tasks(settings: EvaluationSettings, folders: Sequence[ModelFolder], progress: Progress) -> TasksPlan:
    """Select the images and match their tasks and classes, before any network runs.

    Args:
        settings: what to evaluate.
        folders: the networks; if two are compared, the new one first.
        progress: reports that the images are compared with those of a run, if they are many.

    Raises:
        DataError: there are no such images, or a network does not have their tasks or classes.
        UsageError: the networks cannot be averaged, or there are more than two to compare.
    """
    members = group_members(settings, folders)
    tasks = folders[0].card.tasks
    data = read_data(settings.data, settings.columns, tasks)
    if settings.others:
        require_others(settings.others, settings.unfamiliar, data, folders, settings.inference)
    selection = choose_images(data, settings.split, folders, progress)
    return plan_selection(settings, data, selection, members)


def plan_selection(
    settings: EvaluationSettings,
    data: DataSet,
    selection: Selection,
    members: Sequence[tuple[ModelFolder, ...]],
) -> TasksPlan:
    """Match the tasks of images that have been selected; arguments and errors as for networks without tasks."""
    class_map = read_class_map(settings)
    cards = [_joint_card(member, settings.threshold) for member in members]
    matches = tuple(
        match_tasks(data, selection.samples, card, class_map, subset=settings.subset) for card in cards
    )
    evaluated = {match.task.name for match in matches[0]}
    if others := ", ".join(repr(task.name) for task in cards[0].tasks if task.name not in evaluated):
        remark = f"{data.name} has no labels of {others}: not evaluated"
        selection = dataclasses.replace(selection, remarks=(*selection.remarks, remark))
    return Plan(data, selection, tuple(members), matches, settings)


def _joint_card(member: Sequence[ModelFolder], threshold: float | None) -> ModelCard:
    """The card of a network, or of an ensemble, with the thresholds to apply.

    Raises:
        UsageError: the networks of an ensemble have different tasks or classes.
    """
    first, *others = (folder.card for folder in member)
    for card in others:
        if [_definition(task) for task in card.tasks] != [_definition(task) for task in first.tasks]:
            raise UsageError(
                f"{first.name} and {card.name} have different tasks or classes, so their probabilities cannot be averaged",
                "leave out --ensemble to compare two networks",
            )
    tasks = zip(*(card.tasks for card in (first, *others)), strict=True)
    return dataclasses.replace(first, tasks=tuple(_joint_task(versions, threshold) for versions in tasks))


def _definition(task: Task) -> tuple[str, AnswerKind, tuple[str, ...]]:
    return task.name, task.kind, task.class_names


def _joint_task(versions: Sequence[Task], threshold: float | None) -> Task:
    """A task of one or several networks with the mean of their thresholds, or with the threshold that the user wants."""
    first = versions[0]
    if first.kind is AnswerKind.ONE:
        return first
    if threshold is not None:
        return dataclasses.replace(first, thresholds=(threshold,) * len(first.class_names))
    thresholds = zip(*map(thresholds_of, versions), strict=True)
    return dataclasses.replace(first, thresholds=tuple(fmean(values) for values in thresholds))


def evaluate_plan(plan: TasksPlan, progress: Progress, bar: ProgressBar) -> list[EvaluatedTasks]:
    """Run the networks on the images.

    Args:
        plan: made by `plan_tasks`.
        progress: reports what is evaluated, and anything unexpected.
        bar: opens a progress bar over the images of each network.

    Returns:
        One evaluation, or those of the new and of the old network.

    Raises:
        CnncliError: no image can be read, or a network cannot run.
    """
    results = evaluate_scored(plan, score_members(plan, _score, progress, bar), progress)
    others = tell_others(plan, progress, bar)
    return [
        dataclasses.replace(result, evaluation=dataclasses.replace(result.evaluation, others=others))
        for result in results
    ]


def _score(
    plan: TasksPlan,
    member: Sequence[ModelFolder],
    _: Sequence[TaskMatch],
    progress: Progress,
    advance: Callable[[], None],
) -> ScoredTargets:
    """Probabilities of one network or ensemble, whose classes are matched afterwards."""
    return score_targets(member, plan.selection.samples, plan.settings.inference, progress, advance)


def evaluate_scored(
    plan: TasksPlan, scored: Sequence[ScoredTargets], progress: Progress
) -> list[EvaluatedTasks]:
    """The evaluations of probabilities that are there already, on those images that every network could read.

    Args:
        plan: what was evaluated.
        scored: for each evaluation of the plan the images, with the data's answers and the network's probabilities.
        progress: reports images that could not be read.

    Raises:
        CnncliError: no image could be read, or none has a known label.
    """
    failed = {record.path: record for outcome in scored for record in outcome.unreadable}
    relative = plan.data.relative
    warn_unreadable((Unreadable(relative(path), record.reason) for path, record in failed.items()), progress)
    with explain_missing_packages("evaluating"):
        return [
            _evaluate(
                plan, number, dataclasses.replace(outcome.without(failed), unreadable=tuple(failed.values()))
            )
            for number, outcome in enumerate(scored)
        ]


def _evaluate(plan: TasksPlan, number: int, scored: ScoredTargets) -> EvaluatedTasks:
    """One evaluation of a plan."""
    settings, matches = plan.settings, plan.matches[number]
    tasks = tuple(match.task for match in matches)
    scored = ScoredTargets(
        tuple(
            dataclasses.replace(sample, answers=tuple(match.answer(sample) for match in matches))
            for sample in scored.samples
        ),
        np.concatenate([match.select_shares(scored.shares) for match in matches], axis=1),
        scored.unreadable,
    )
    context = TasksContext(
        model=plan.model_name(number),
        split=plan.selection.split,
        split_source=plan.selection.split_source,
        tasks=tasks,
        threshold=settings.threshold,
        remarks=plan.selection.remarks,
    )
    return EvaluatedTasks(tasks, scored, evaluate_tasks(context, plan.data, scored))
