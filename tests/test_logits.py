"""Probabilities and losses agree with SciPy and stay exact for extreme logits."""

import numpy as np
import pytest
from scipy import special

from cnncli import logits as seam
from cnncli.records.tasks import AnswerKind, Task
from tests.networks_for_tests import SHARPNESS, colour_probabilities

SCORES = np.random.default_rng(0).normal(size=(7, 10)).astype(np.float32) * 10


def test_probabilities_of_extreme_and_known_logits() -> None:
    scores = np.array([[1000.0, 1000.0, -1000.0], [0.0, 0.0, 0.0]], np.float32)
    np.testing.assert_allclose(
        seam.probabilities(scores), [[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]], atol=1e-7
    )
    red = np.array([[SHARPNESS, 0, 0]], np.float32)
    np.testing.assert_allclose(seam.probabilities(red)[0], colour_probabilities((255, 0, 0)), rtol=1e-6)


def test_log_probabilities_are_exact_for_tiny_probabilities() -> None:
    scores = np.array([[0.0, -2000.0]])
    np.testing.assert_array_equal(seam.log_probabilities(scores), [[0.0, -2000.0]])
    exact = SCORES.astype(np.float64)
    np.testing.assert_array_equal(seam.log_probabilities(exact), special.log_softmax(exact, axis=1))


def test_logits_of_probabilities_give_the_same_probabilities() -> None:
    shares = seam.probabilities(SCORES)
    np.testing.assert_allclose(seam.probabilities(seam.logits_of(shares)), shares, rtol=1e-5)
    assert np.isfinite(seam.logits_of(np.array([[1.0, 0.0]], np.float32))).all()


TASKS = (
    Task("kind", tuple("abcd"), AnswerKind.ONE),
    Task("tags", tuple("abcdef"), AnswerKind.SEVERAL, (0.5,) * 6),
)


def test_probabilities_of_tasks_are_a_softmax_and_sigmoids() -> None:
    shares = seam.probabilities(SCORES, TASKS)
    np.testing.assert_allclose(shares[:, :4], special.softmax(SCORES[:, :4], axis=1), rtol=1e-5)
    np.testing.assert_allclose(shares[:, 4:], special.expit(SCORES[:, 4:]), rtol=1e-5)
    np.testing.assert_allclose(seam.probabilities(seam.logits_of(shares, TASKS), TASKS), shares, rtol=1e-4)
    extreme = seam.probabilities(
        np.array([[-2000.0, 2000.0, -80.0]]), (Task("t", ("a", "b", "c"), AnswerKind.SEVERAL),)
    )
    np.testing.assert_allclose(extreme, [[0, 1, np.exp(-80)]], rtol=1e-12)


def test_a_probability_reaches_a_threshold_that_it_equals_in_its_own_precision() -> None:
    shares = np.array([[0.3, 0.2]], np.float32)
    assert seam.reach_thresholds(shares, (0.3, 0.200001)).tolist() == [[True, False]]


def test_ties_among_top_classes_go_to_the_lower_index() -> None:
    assert seam.top_classes(np.array([[0.2, 0.4, 0.4]]), 2).tolist() == [[1, 2]]


def test_cross_entropy_and_log_loss_agree() -> None:
    labels = np.arange(7) % 10
    right = seam.probabilities(SCORES.astype(np.float64))[np.arange(7), labels]
    assert seam.cross_entropy(SCORES, labels) == pytest.approx(seam.log_loss(right))
    assert str(seam.cross_entropy(np.array([[1000.0, 0.0]], np.float32), np.array([0]))) == "0.0"
