"""Accuracy and its interval; who is taken for whom."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cnncli.records.evaluation import Accuracy

_Z = 1.959964
"""Of the normal distribution: 95 % lie within that many standard deviations."""


DRAWS, _AT_ONCE, _SEED = 1000, 100, 0
"""Times that images are drawn again for an interval; how many of these are in memory together; of chance."""


def accuracy(predicted: NDArray[np.intp], labels: NDArray[np.intp]) -> Accuracy:
    """The share of equal entries in (N,) and (N,), N above zero.

    Its interval is the bootstrap's; where all or none are right, which it would take for certain, Wilson's.
    """
    right, images = int((predicted == labels).sum()), len(labels)
    if right in {0, images}:
        return Accuracy(right, images, *wilson(right, images))
    counts = np.array([right, images - right])
    drawn = np.concatenate([draws[:, 0] for draws in resampled(counts)])
    return Accuracy(right, images, *interval(drawn / images, right / images))


def resampled(counts: NDArray[np.intp]) -> Iterator[NDArray[np.int64]]:
    """How many images of each kind are among as many drawn with replacement: (B, C), a thousand draws in pieces.

    Args:
        counts: (C,), images of each kind.
    """
    draws = np.random.default_rng(_SEED)
    images = int(counts.sum())
    for _ in range(DRAWS // _AT_ONCE):
        yield draws.multinomial(images, counts / images, _AT_ONCE)


def interval(drawn: NDArray[np.float64], value: float, least: float = 0.0) -> tuple[float, float]:
    """Where 95 % of what was drawn (B,) lie, moved by as much as drawing changes the figure on average.

    Classes with few images are left out of many draws, which makes a mean over classes smaller than it is.

    Args:
        drawn: the figure, of each draw.
        value: the figure itself.
        least: that it can be; the most is 1.
    """
    low, high = np.quantile(drawn, (0.025, 0.975)) - drawn.mean() + value
    return max(float(low), least), min(float(high), 1.0)


def wilson(right: int, images: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score (1927), which holds for few images and shares near 0 and 1, too."""
    share = right / images
    centre = share + _Z**2 / (2 * images)
    margin = _Z * math.sqrt(share * (1 - share) / images + _Z**2 / (4 * images**2))
    whole = 1 + _Z**2 / images
    low = (centre - margin) / whole if right else 0.0
    high = (centre + margin) / whole if right < images else 1.0
    return low, high


def confusion(predicted: NDArray[np.intp], labels: NDArray[np.intp], classes: int) -> NDArray[np.intp]:
    """(K, K): how many images of the class in the row were taken for the class in the column."""
    counts: NDArray[np.intp] = np.bincount(labels * classes + predicted, minlength=classes**2)
    return counts.reshape(classes, classes)
