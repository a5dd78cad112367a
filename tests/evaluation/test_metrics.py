"""Accuracy, its interval, the confusion matrix: against scipy and scikit-learn."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from cnncli.evaluation.metrics import accuracy, confusion, wilson


@given(images=st.integers(1, 2000), data=st.data())
def test_wilsons_interval(images: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, images))
    expected = binomtest(right, images).proportion_ci(method="wilson")
    low, high = wilson(right, images)
    assert abs(low - expected.low) < 1e-6
    assert abs(high - expected.high) < 1e-6


def test_accuracy_and_confusion() -> None:
    predicted, labels = np.array([0, 1, 2, 2, 1]), np.array([0, 1, 1, 2, 0])
    result = accuracy(predicted, labels)
    assert (result.correct, result.images, result.share) == (3, 5, 0.6)
    assert np.array_equal(confusion(predicted, labels, 4)[:3, :3], confusion_matrix(labels, predicted))
    assert confusion(predicted, labels, 4).sum() == 5
