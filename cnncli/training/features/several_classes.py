"""The classifier for images that may have several classes, or none: one logistic regression per class.

All have the same hyperparameters, chosen by the mean average precision of the held-out images.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.data.folds import Fold, Indices
from cnncli.dataclass import frozen_dataclass
from cnncli.engines.heads import Array, ClassifierHead
from cnncli.evaluation.tasks.labels import mean_average_precision
from cnncli.records.training import ClassifierName, ClassWeights
from cnncli.training.features.cross_validation import FOLDS, LARGE, LARGE_FOLDS, HeldOut
from cnncli.training.features.hyperparameters import Hyperparameters, log_prior
from cnncli.training.features.linear import Fits, SeveralProblem, fit_scaled, logistic_one_vs_rest
from cnncli.training.features.temperature import fit_sigmoid_temperature

Labels = NDArray[np.bool_]


@frozen_dataclass
class SeveralRows:
    """Embeddings to fit a classifier to, of images that may have several classes.

    Attributes:
        vectors: (N, V, D), embeddings of each image itself and of its random views.
        labels: (N, K), whether the image is of each class.
        weights: how classes are weighted.
        groups: (N,), number of each image's group, which is held out as a whole; None for no groups.
    """

    vectors: Array
    labels: Labels
    weights: ClassWeights = ClassWeights.NONE
    groups: Indices | None = None

    def subset(self, indices: Indices) -> "SeveralRows":
        """The images with these indices."""
        groups = None if self.groups is None else self.groups[indices]
        return SeveralRows(self.vectors[indices], self.labels[indices], self.weights, groups)

    def folds(self, seed: int) -> list[Fold]:
        """The folds of cross-validation, at random; none unless a class has, and lacks, two images."""
        images = len(self.labels)
        order = np.random.default_rng(seed).permutation(images)[:LARGE]
        counts = self.labels[order].sum(axis=0)
        if not (np.minimum(counts, len(order) - counts) > 1).any():
            return []
        count = LARGE_FOLDS if images > LARGE else min(FOLDS, images)
        if self.groups is None:
            parts = np.array_split(order, count)
            return [(np.setdiff1d(order, part), part) for part in parts]
        if (own := len(set(self.groups[order]))) < 2:  # noqa: PLR2004 - nothing to hold out
            return []
        from sklearn.model_selection import GroupKFold  # rarely needed, and takes a second

        splitter = GroupKFold(min(count, own), shuffle=True, random_state=seed)
        folds = splitter.split(order, groups=self.groups[order])
        return [(order[rest], order[held_out]) for rest, held_out in folds]

    def fit_heads(
        self, _: ClassifierName, candidates: Sequence[Hyperparameters], tolerance: float
    ) -> Sequence[ClassifierHead]:
        """One head per candidate."""
        images, views, width = self.vectors.shape
        labels = np.repeat(self.labels, views, axis=0)
        weights = self._weights_of(labels)

        def solve(coordinates: Array, strengths: Sequence[float]) -> Fits:
            return logistic_one_vs_rest(SeveralProblem(coordinates, labels, weights, tolerance), strengths)

        return fit_scaled(self.vectors.reshape(images * views, width), candidates, solve)

    def quality(self, name: ClassifierName, candidate: Hyperparameters, held_out: HeldOut) -> float:
        """The mean average precision of all held-out images together, so that rare classes count; on few, a prior counts, too."""
        logits, labels = _join(held_out)
        prior = log_prior(name, candidate, self.vectors.shape[2]) / len(labels)
        return prior + self.score(logits, labels)

    def score(self, logits: Array, labels: Labels) -> float:
        """The mean average precision."""
        value = mean_average_precision(logits.astype(np.float32), labels.astype(np.float32))
        return np.nan if value is None else value

    def temperature(self, held_out: HeldOut) -> float:
        """The factor for the logits that calibrates their probabilities on held-out images."""
        logits, labels = _join(held_out)
        return fit_sigmoid_temperature(logits, labels, self._weights_of(labels))

    def _weights_of(self, labels: Labels) -> Array:
        """(N, K), weight of each answer: 1, or N / (2 * rows with the same answer), as scikit-learn's `balanced`."""
        if self.weights is ClassWeights.NONE:
            return np.ones(labels.shape)
        positives = labels.sum(axis=0)
        counts = np.where(labels, positives, len(labels) - positives)
        weights: Array = len(labels) / (2 * counts)
        return weights


def _join(held_out: HeldOut) -> tuple[Array, Labels]:
    """Logits and labels (N, K) of all folds."""
    logits, labels = zip(*held_out, strict=True)
    return np.concatenate(logits), np.concatenate(labels)
