"""Metrics of resamples: scikit-learn, given how often each image was drawn, says the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from cnncli.evaluation.metrics import DRAWS, bootstrap_counts
from cnncli.evaluation.tasks.resampling import mean_where_known, resample, resample_average_precision


def draw(images: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, some of them equal, and labels."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((images, classes)) < 0.3).astype(np.float32)
    shares = np.clip(rng.normal(0.3, 0.2, targets.shape) + 0.3 * targets, 0, 1).round(1)
    return shares.astype(np.float32), targets


@settings(max_examples=10, deadline=None)
@given(images=st.integers(1, 30), classes=st.integers(2, 4), seed=st.integers(0, 10**6))
def test_metrics_of_resamples_agree_with_scikit_learn(images: int, classes: int, seed: int) -> None:
    shares, targets = draw(images, classes, seed)
    predicted = shares >= 0.5
    result = resample(shares, targets, predicted, shares[:, :1].astype(np.float64))
    weights = next(bootstrap_counts(np.ones(images, np.intp)))
    assert result.average_precision.shape == (DRAWS, classes)
    for number in (0, 1, 99):
        drawn = np.repeat(np.arange(images), weights[number])
        for index in range(classes):
            labels, column = targets[drawn, index], shares[drawn, index]
            expected = average_precision_score(labels, column) if labels.any() else np.nan
            assert result.average_precision[number, index] == pytest.approx(expected, rel=1e-5, nan_ok=True)
        occurring = np.flatnonzero(targets[drawn].any(axis=0))
        for average, values in (("micro", result.micro), ("macro", result.macro)):
            labels = None if average == "micro" else occurring
            scores = precision_recall_fscore_support(
                targets[drawn], predicted[drawn], labels=labels, average=average, zero_division=0
            )
            if average == "micro" or len(occurring):
                assert values[number] == pytest.approx(scores[:3], rel=1e-5)
        assert result.sample_means[number] == pytest.approx(shares[drawn, 0].mean(), rel=1e-5)


def test_average_precision_alone_is_the_same() -> None:
    shares, targets = draw(40, 3, 0)
    full = resample(shares, targets, shares >= 0.5, np.zeros((40, 1)))
    np.testing.assert_array_equal(full.average_precision, resample_average_precision(shares, targets))


def test_a_class_without_images_has_no_average_precision() -> None:
    targets = np.zeros((5, 2), np.float32)
    targets[0, 0] = 1
    values = resample_average_precision(np.ones_like(targets), targets)
    assert np.isnan(values[:, 1]).all()
    assert mean_where_known(np.array([[0.5, np.nan], [np.nan, np.nan]], np.float32)).tolist()[0] == 0.5
