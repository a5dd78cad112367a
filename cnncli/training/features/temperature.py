"""Temperature scaling: logits multiplied by one number, so that their probabilities fit held-out images (Guo et al., 2017)."""

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
    # Targets are smoothed as in Platt (1999): otherwise perfect held-out predictions would make every later one certain.
    doubt = 1 / (len(labels) + 2)

    def loss(logarithm: float) -> float:
        scaled = log_probabilities(logits * np.exp(logarithm))
        targets = (1 - doubt) * scaled[np.arange(len(labels)), labels] + doubt * scaled.mean(axis=1)
        prior = (logarithm / _DEVIATION) ** 2 / 2
        return float(prior / len(labels) - np.average(targets, weights=weights))

    result = minimize_scalar(loss, bounds=_BOUNDS, method="bounded")
    return float(np.exp(result.x)), float(result.fun)
