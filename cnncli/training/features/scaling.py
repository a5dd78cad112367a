"""The scale of each feature, before a classifier with an L2 penalty or distances is fitted to embeddings."""

import numpy as np

from cnncli.engines.heads import Array

STANDARDISED, PARETO, COMMON = 0.5, 0.25, 0.0
"""The power of its variance by which a feature is divided: 0.5 standardises, and 0 divides all features by one common number.
Pareto scaling (van den Berg et al., 2006) lies between. Which is best depends on network and images: with 2 images per class,
standardising is 4 points of accuracy better than a common scale for SqueezeNet on digits, and 7 points worse for pocket on Tiny
ImageNet, where large features matter more (see benchmarks/few_images.py)."""

_LEAST_VARIATION = 1e-5
"""A feature whose standard deviation is below this share of its mean counts as constant."""

_SHRINKAGE = 0.3
"""Share of the features' mean variance that is added to the variance of each. Otherwise a feature that is zero for nearly all
of a few training images would be divided by almost zero, and would dominate on a new image. On ants_bees with 2, 5 and 20 images per
class, the accuracy on EfficientNet-Lite0's features is 84, 88 and 95 % instead of 64, 76 and 93 %; with all 243 it is the same."""


def scale_factors(vectors: Array, exponent: float) -> Array:
    """(D,), the factor of each feature; 0 for one that is constant.

    Args:
        vectors: (N, D), embeddings.
        exponent: the power of its variance by which each feature is divided.
    """
    deviation = vectors.std(axis=0)
    # A feature that varies by no more than float32's last digits is noise; standardised, it would dominate.
    varies = deviation > _LEAST_VARIATION * np.abs(vectors.mean(axis=0))
    mean_variance = np.mean(deviation**2) or 1.0
    relative = deviation**2 / mean_variance + _SHRINKAGE
    factors: Array = np.where(varies, relative**-exponent / np.sqrt(mean_variance), 0.0)
    return factors


_FEW = 0.5
"""Embeddings per feature up to which finding a basis of their space takes less time than it saves."""


class RowSpace:
    """The space that scaled embeddings span, if they are few; else all of it.

    Weights with an L2 penalty, and centroids, lie in it: fitting in its coordinates gives the same classifier in less time.

    Attributes:
        coordinates: (N, R), the embeddings in an orthonormal basis of it.
    """

    def __init__(self, vectors: Array) -> None:
        """Find a basis for the embeddings (N, D)."""
        images, width = vectors.shape
        self._basis: Array | None = None
        self.coordinates = vectors
        if images <= _FEW * width:
            basis, coordinates = np.linalg.qr(vectors.T)
            self._basis, self.coordinates = basis, coordinates.T

    def expand(self, weights: Array) -> Array:
        """Weights (K, D) of the features, from weights (K, R) of the coordinates."""
        return weights if self._basis is None else weights @ self._basis.T
