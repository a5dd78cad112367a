"""Figures of labelled images whose probabilities lie in parts, by a network with tasks."""

from collections.abc import Sequence

import numpy as np

from cnncli.distribution.figures import model_of, require_answers, scored_parts, select
from cnncli.distribution.plan import Plan
from cnncli.distribution.store import Store
from cnncli.distribution.tasks import PredictTask
from cnncli.errors import UsageError
from cnncli.evaluation.evaluate import EvaluationSettings
from cnncli.evaluation.tasks.columns import read_data
from cnncli.evaluation.tasks.evaluate import TasksPlan, evaluate_scored, plan_selection
from cnncli.evaluation.tasks.figures import EvaluatedTasks
from cnncli.evaluation.tasks.scoring import ScoredTargets
from cnncli.records.progress import Progress


def plan_figures(settings: EvaluationSettings, plan: Plan, store: Store) -> TasksPlan:
    """The labelled images that have probabilities in parts, matched with the network's tasks and classes.

    Raises:
        OutputError: parts are missing.
        DataError: none of the images has probabilities, or the network does not have their tasks or classes.
        UsageError: there are no probabilities in these parts.
    """
    require_answers(plan, store)
    if plan.command == PredictTask.command:
        raise UsageError(
            f"{store} holds the predictions of a network with tasks, which give no figures",
            "compute probabilities with cnncli evaluate DATA --parts DIR",
        )
    data = read_data(settings.data, settings.columns, plan.model_card.tasks)
    selection = select(settings, plan, store, data)
    return plan_selection(settings, data, selection, [(model_of(plan, store),)])


def evaluate_parts(
    figures: TasksPlan, plan: Plan, store: Store, progress: Progress
) -> Sequence[EvaluatedTasks]:
    """All figures, from the probabilities of all classes; arguments and errors as for a network without tasks."""
    parts = list(scored_parts(figures.selection.samples, plan, store))
    scored = ScoredTargets(
        tuple(sample for part in parts for sample in part.samples),
        np.concatenate([part.shares for part in parts]),
        tuple(item for part in parts for item in part.unreadable),
    )
    for remark in figures.selection.remarks:
        progress.warning(remark)
    return evaluate_scored(figures, [scored], progress)
