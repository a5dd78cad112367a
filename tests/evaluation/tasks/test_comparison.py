"""Two networks with tasks: their difference on the same images, and the images that cause it."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score

from cnncli.data.targets import targets
from cnncli.evaluation.tasks.comparison import compare_tasks
from cnncli.evaluation.tasks.figures import EvaluatedTasks, TasksContext, evaluate_tasks
from cnncli.evaluation.tasks.scoring import ScoredTargets, predicted_answers
from cnncli.records.data import DataSet
from cnncli.records.task_evaluation import TasksComparison
from tests.tasks_for_tests import HABITAT, TAGS, draw

TASKS = (HABITAT, TAGS)


def evaluate(data: DataSet, scored: ScoredTargets) -> EvaluatedTasks:
    context = TasksContext("net", "test", "as it has it", TASKS)
    return EvaluatedTasks(TASKS, scored, evaluate_tasks(context, data, scored))


def blur(scored: ScoredTargets) -> ScoredTargets:
    """Less certain probabilities."""
    noise = np.random.default_rng(1).normal(0, 0.25, scored.shares.shape)
    return dataclasses.replace(scored, shares=np.clip(scored.shares + noise, 0, 1).astype(np.float32))


@pytest.fixture(scope="module")
def compared() -> tuple[TasksComparison, ScoredTargets, ScoredTargets]:
    """A network and a worse one."""
    data, scored = draw(80, 4, unknown=0.1)
    worse = blur(scored)
    return compare_tasks(evaluate(data, scored), evaluate(data, worse), data), scored, worse


def test_the_difference_of_mean_average_precision_is_paired(
    compared: tuple[TasksComparison, ScoredTargets, ScoredTargets],
) -> None:
    """Its interval is that of resampling both networks' images together, one by one."""
    comparison, *both = compared
    difference = comparison.tasks[1].difference
    assert difference
    new, old = (scored.of_task(TASKS, 1) for scored in both)
    truth = targets(new.samples, [TAGS])
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(150):
        chosen = rng.integers(0, len(truth), len(truth))
        scores = [average_precision_score(truth[chosen], part.shares[chosen]) for part in (new, old)]
        draws.append(scores[0] - scores[1])
    scores = [average_precision_score(truth, part.shares) for part in (new, old)]
    assert difference.value == pytest.approx(scores[0] - scores[1])
    assert difference.high - difference.low == pytest.approx(
        np.ptp(np.quantile(draws, (0.025, 0.975))), rel=0.3
    )
    assert difference.low < difference.value < difference.high


def test_images_that_only_one_network_gets_right_are_counted_and_listed(
    compared: tuple[TasksComparison, ScoredTargets, ScoredTargets],
) -> None:
    comparison, *both = compared
    for number, item in enumerate(comparison.tasks):
        new, old = (scored.of_task(TASKS, number) for scored in both)
        truth = targets(new.samples, [TASKS[number]]) > 0
        right = [
            (predicted_answers(part.shares, [TASKS[number]]) == truth).all(axis=1) for part in (new, old)
        ]
        agreement = item.agreement
        assert agreement.both == (right[0] & right[1]).sum()
        assert agreement.neither == (~right[0] & ~right[1]).sum()
        assert agreement.gained == len(item.gained) == (right[0] & ~right[1]).sum()
        assert agreement.lost == len(item.lost) == (right[1] & ~right[0]).sum()
        total = agreement.gained + agreement.lost
        assert agreement.p_value == pytest.approx(binomtest(agreement.gained, total).pvalue)
        assert all(change.new == change.label != change.old for change in item.gained)
        assert all(change.old == change.label != change.new for change in item.lost)


def test_all_tasks_together_are_compared_where_all_labels_are_known(
    compared: tuple[TasksComparison, ScoredTargets, ScoredTargets],
) -> None:
    comparison, scored, _ = compared
    agreement, new, old = comparison.agreement, comparison.new.exact_match, comparison.old.exact_match
    assert agreement
    assert new
    assert old
    known = [sample for sample in scored.samples if None not in sample.answers]
    assert agreement.both + agreement.neither + agreement.gained + agreement.lost == len(known) == new.images
    assert agreement.difference.value == pytest.approx(new.share - old.share)


def test_a_network_does_not_differ_from_itself() -> None:
    data, scored = draw(30, 2)
    same = compare_tasks(evaluate(data, scored), evaluate(data, scored), data)
    assert same.agreement
    assert same.agreement.p_value == 1
    for item in same.tasks:
        assert item.difference
        assert (item.difference.value, item.difference.low, item.difference.high) == (0, 0, 0)
