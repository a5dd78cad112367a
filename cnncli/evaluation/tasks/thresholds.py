"""The probability from which a class of a task with several answers counts as predicted."""

import numpy as np
from numpy.typing import NDArray

from cnncli.records.tasks import Task

DEFAULT_THRESHOLD = 0.5
"""The threshold of a class that none was chosen for."""


def thresholds_of(task: Task) -> tuple[float, ...]:
    """(K,): the thresholds of a task with several answers."""
    return task.thresholds or (DEFAULT_THRESHOLD,) * len(task.class_names)


def choose_thresholds(shares: NDArray[np.float32], targets: NDArray[np.float32]) -> tuple[float, ...]:
    """For each class the threshold with the largest F1, the nearest to 0.5 if there are several.

    Args:
        shares: probabilities (N, K).
        targets: (N, K), 1 for a class of the image, 0 for others, NaN where unknown.
    """
    return tuple(
        _choose_threshold(column[~np.isnan(labels)].astype(np.float64), labels[~np.isnan(labels)])
        for column, labels in zip(shares.T, targets.T, strict=True)
    )


def _choose_threshold(shares: NDArray[np.float64], labels: NDArray[np.float32]) -> float:
    """The midpoint of two neighbouring probabilities (N,) with the largest F1; 0.5 where all labels (N,) are equal."""
    from sklearn.metrics import precision_recall_curve

    if not len(labels) or labels.min() == labels.max():
        return DEFAULT_THRESHOLD
    precision, recall, values = precision_recall_curve(labels, shares)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)
    midpoints = (values + np.concatenate([[0.0], values[:-1]])) / 2
    best = midpoints[np.isclose(f1[:-1], f1[:-1].max(), rtol=1e-12, atol=0)]
    return float(best[np.abs(best - DEFAULT_THRESHOLD).argmin()])
