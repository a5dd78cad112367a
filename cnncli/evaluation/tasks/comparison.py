"""Compare two networks with tasks on the same images: is the new one better than the old one?"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cnncli.data.targets import targets
from cnncli.evaluation.comparison import accuracy_difference, mcnemar
from cnncli.evaluation.metrics import interval
from cnncli.evaluation.tasks.figures import EvaluatedTasks, TaskOutcome, exact_matches
from cnncli.evaluation.tasks.resampling import mean_where_known, resample_average_precision
from cnncli.records.data import DataSet
from cnncli.records.evaluation import Estimate
from cnncli.records.task_evaluation import (
    Agreement,
    AnswerChange,
    TaskComparison,
    TasksComparison,
)
from cnncli.records.tasks import AnswerKind


def compare_tasks(new: EvaluatedTasks, old: EvaluatedTasks, data: DataSet) -> TasksComparison:
    """The difference of two networks, task by task, and the images that cause it.

    Args:
        new: evaluation of one network.
        old: evaluation of the other one, with the same tasks on the same images in the same order.
        data: that the images are of, for paths relative to its root.
    """
    return TasksComparison(
        new.evaluation,
        old.evaluation,
        tuple(_compare_task(*pair, data) for pair in zip(new.each_task(), old.each_task(), strict=True)),
        _agreement(exact_matches(new.tasks, new.scored), exact_matches(old.tasks, old.scored)),
    )


def _compare_task(new: TaskOutcome, old: TaskOutcome, data: DataSet) -> TaskComparison:
    new_right, old_right = (exact_matches([item.task], item.scored) > 0 for item in (new, old))
    agreement = _agree(new_right, old_right)
    is_accuracy = new.task.kind is AnswerKind.ONE
    return TaskComparison(
        new.evaluation,
        old.evaluation,
        agreement.difference if is_accuracy else _average_precision_difference(new, old),
        agreement,
        tuple(_changes(new, old, new_right & ~old_right, data)),
        tuple(_changes(new, old, old_right & ~new_right, data)),
    )


def _agreement(new: NDArray[np.float32], old: NDArray[np.float32]) -> Agreement | None:
    """The agreement of `exact_matches` (N,); None where no image has all labels."""
    is_known = ~np.isnan(new)
    return _agree(new[is_known] > 0, old[is_known] > 0) if is_known.any() else None


def _agree(new: NDArray[np.bool_], old: NDArray[np.bool_]) -> Agreement:
    """How often two networks are right on N images, from whether each is, (N,)."""
    gained, lost = int((new & ~old).sum()), int((old & ~new).sum())
    return Agreement(
        both=int((new & old).sum()),
        neither=int((~new & ~old).sum()),
        gained=gained,
        lost=lost,
        difference=accuracy_difference(gained, lost, len(new)),
        p_value=mcnemar(gained, lost),
    )


def _average_precision_difference(new: TaskOutcome, old: TaskOutcome) -> Estimate | None:
    """The difference of mean average precisions, whose interval is from resamples that both networks share."""
    if not targets(new.scored.samples, [new.task]).any():
        return None
    difference = new.evaluation.score - old.evaluation.score
    new_draws, old_draws = map(_draw_mean_average_precision, (new, old))
    draws = (new_draws - old_draws)[~np.isnan(new_draws)].astype(np.float64)
    return Estimate(difference, *interval(draws, difference, least=-1.0))


def _draw_mean_average_precision(outcome: TaskOutcome) -> NDArray[np.float32]:
    """(B,): the mean average precision in bootstrap resamples."""
    truth = targets(outcome.scored.samples, [outcome.task])
    return mean_where_known(resample_average_precision(outcome.scored.shares, truth))


def _changes(
    new: TaskOutcome, old: TaskOutcome, is_changed: NDArray[np.bool_], data: DataSet
) -> Iterator[AnswerChange]:
    """The changed images with what each network predicts."""
    for place in np.flatnonzero(is_changed).tolist():
        sample = new.scored.samples[place]
        (answer,) = sample.answers
        yield AnswerChange(
            data.relative(sample.path),
            tuple(new.task.class_names[index] for index in answer or ()),
            old.predicted_names(place),
            new.predicted_names(place),
        )
