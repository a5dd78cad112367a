"""Temperature scaling: logits multiplied by one number, so that their probabilities fit held-out images (Guo et al., 2017)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from cnncli.engines.heads import Array
from cnncli.logits import log_probabilities

_BOUNDS = (-7.0, 7.0)
"""Logarithms of the smallest and the largest inverse temperature."""

_DEVIATION = 0.5
"""Standard deviation of the prior on its logarithm, which counts on a few images only; chosen with `benchmarks/few_images.py`."""


def inverse_temperature(logits: Array, labels: NDArray[np.intp]) -> float:
    """The factor for logits (N, K) that minimises their cross-entropy with labels (N,)."""
    return fit_temperature(logits, labels, np.ones(len(labels)))[0]


def fit_temperature(logits: Array, labels: NDArray[np.intp], weights: Array) -> tuple[float, float]:
    """The factor for logits that minimises their cross-entropy, and that cross-entropy.

    Args:
        logits: (N, K).
        labels: (N,).
        weights: (N,), the weight of each row.
    """
    doubt = _doubt(len(labels))

    def loss(logarithm: float) -> float:
        scaled = log_probabilities(logits * np.exp(logarithm))
        targets = (1 - doubt) * scaled[np.arange(len(labels)), labels] + doubt * scaled.mean(axis=1)
        return -float(np.average(targets, weights=weights))

    return _minimise(loss, len(labels))


def fit_sigmoid_temperature(logits: Array, targets: NDArray[np.bool_], weights: Array) -> float:
    """The factor for logits that minimises their binary cross-entropy.

    Args:
        logits: (N, K).
        targets: (N, K), whether each class is right.
        weights: (N, K), the weight of each.
    """
    smooth = np.where(targets, 1 - _doubt(len(targets)) / 2, _doubt(len(targets)) / 2)

    def loss(logarithm: float) -> float:
        scaled = logits * np.exp(logarithm)
        return float(np.average(np.logaddexp(0, scaled) - smooth * scaled, weights=weights))

    return _minimise(loss, len(targets))[0]


def _doubt(images: int) -> float:
    """How far targets are smoothed (Platt, 1999): otherwise perfect held-out predictions would make every later one certain."""
    return 1 / (images + 2)


def _minimise(loss: Callable[[float], float], images: int) -> tuple[float, float]:
    """The inverse temperature with the least sum of a loss and the prior's share, and this sum.

    Args:
        loss: mean over the images, by the logarithm of the inverse temperature.
        images: number of images.
    """

    def posterior(logarithm: float) -> float:
        prior = (logarithm / _DEVIATION) ** 2 / 2
        return float(prior / images + loss(logarithm))

    result = minimize_scalar(posterior, bounds=_BOUNDS, method="bounded")
    return float(np.exp(result.x)), float(result.fun)
