"""Accuracy with its confidence interval, and the confusion matrix."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cnncli.records.evaluation import Accuracy

_Z = 1.959964
"""Standard deviations of the normal distribution within which 95 % lie."""


DRAWS, _BATCH, _SEED = 1000, 100, 0
"""Number of bootstrap resamples; how many of them are in memory at a time; random seed."""


def accuracy(predicted: NDArray[np.intp], labels: NDArray[np.intp]) -> Accuracy:
    """The share of predictions (N,) that equal the labels (N,), N above zero.

    The interval is from the bootstrap; if all or none are correct, for which it would have no width, it is Wilson's.
    """
    correct, images = int((predicted == labels).sum()), len(labels)
    if correct in {0, images}:
        return Accuracy(correct, images, *wilson(correct, images))
    counts = np.array([correct, images - correct])
    samples = np.concatenate([draws[:, 0] for draws in bootstrap_counts(counts)])
    return Accuracy(correct, images, *interval(samples / images, correct / images))


def balanced_accuracy(predicted: NDArray[np.intp], labels: NDArray[np.intp]) -> float:
    """The mean over the classes among the labels (N,) of the share of predictions (N,) that are right."""
    is_right = predicted == labels
    return float(np.mean([is_right[labels == label].mean() for label in np.unique(labels)]))


def bootstrap_counts(counts: NDArray[np.intp]) -> Iterator[NDArray[np.int64]]:
    """Images of each kind in bootstrap resamples: (B, C) at a time, `DRAWS` in total.

    Args:
        counts: (C,), images of each kind in the sample.
    """
    rng = np.random.default_rng(_SEED)
    images = int(counts.sum())
    for _ in range(DRAWS // _BATCH):
        yield rng.multinomial(images, counts / images, _BATCH)


def interval(samples: NDArray[np.float64], value: float, least: float = 0.0) -> tuple[float, float]:
    """The 95 % interval of a metric, corrected for the bias of resampling.

    Classes with few images are missing from many resamples, which makes a mean over classes smaller than it is.

    Args:
        samples: (B,), the metric of each resample.
        value: the metric itself.
        least: smallest possible value; the largest is 1.
    """
    ends = np.quantile(samples, (0.025, 0.975)) - samples.mean() + value
    low, high = np.clip(ends, least, 1.0).tolist()
    return low, high


def wilson(correct: int, images: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score (1927), also valid for few images and shares near 0 and 1."""
    share = correct / images
    centre = share + _Z**2 / (2 * images)
    margin = _Z * math.sqrt(share * (1 - share) / images + _Z**2 / (4 * images**2))
    divisor = 1 + _Z**2 / images
    low = (centre - margin) / divisor if correct else 0.0
    high = (centre + margin) / divisor if correct < images else 1.0
    return low, high


def confusion(predicted: NDArray[np.intp], labels: NDArray[np.intp], classes: int) -> NDArray[np.intp]:
    """Confusion matrix (K, K): images of the class in the row that were predicted as the class in the column."""
    counts: NDArray[np.intp] = np.bincount(labels * classes + predicted, minlength=classes**2)
    return counts.reshape(classes, classes)
