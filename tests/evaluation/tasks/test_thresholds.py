"""Thresholds: the largest F1, by trying all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from cnncli.evaluation.tasks.thresholds import choose_thresholds, thresholds_of
from cnncli.records.tasks import AnswerKind, Task


def choose(shares: list[float], labels: list[float]) -> float:
    """The threshold of a single class."""
    (threshold,) = choose_thresholds(
        np.array(shares, np.float32)[:, None], np.array(labels, np.float32)[:, None]
    )
    return threshold


@settings(max_examples=25, deadline=None)
@given(images=st.integers(2, 30), seed=st.integers(0, 10**6))
def test_no_other_threshold_has_a_larger_f1(images: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = (np.arange(images) < rng.integers(1, images)).astype(np.float32)
    shares = rng.random(images).round(1).astype(np.float32)
    best = f1_score(labels, shares >= choose(shares.tolist(), labels.tolist()))
    assert best == pytest.approx(max(f1_score(labels, shares >= share) for share in shares))


def test_a_threshold_lies_between_two_probabilities() -> None:
    assert choose([0.9, 0.7, 0.3, 0.1], [1, 1, 0, 0]) == pytest.approx(0.5)
    assert choose([0.9, 0.8, 0.6, 0.1], [1, 0, 0, 0]) == pytest.approx(0.85)


def test_of_several_the_nearest_to_one_half_is_chosen() -> None:
    """One of the two right answers alone, and both with two wrong ones, give an F1 of 2/3."""
    assert choose([0.9, 0.6, 0.55, 0.3], [1, 0, 0, 1]) == pytest.approx((0.9 + 0.6) / 2)
    assert choose([0.9, 0.8, 0.7, 0.4, 0.1], [1, 0, 0, 1, 0]) == pytest.approx((0.4 + 0.1) / 2)


@pytest.mark.parametrize("labels", [[0.0, 0.0], [1.0, 1.0], [np.nan, 1.0], [np.nan, np.nan]])
def test_a_class_without_anything_to_choose_from_has_one_half(labels: list[float]) -> None:
    assert choose([0.9, 0.2], labels) == 0.5


def test_unknown_labels_do_not_count() -> None:
    assert choose([0.9, 0.85, 0.7, 0.3], [1, np.nan, 1, 0]) == pytest.approx(0.5)


def test_a_task_without_thresholds_has_one_half() -> None:
    assert thresholds_of(Task("tags", ("a", "b"), AnswerKind.SEVERAL)) == (0.5, 0.5)
    assert thresholds_of(Task("tags", ("a", "b"), AnswerKind.SEVERAL, (0.2, 0.9))) == (0.2, 0.9)
