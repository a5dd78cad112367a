"""Classifiers on embeddings, for images that have exactly one class.

Each becomes a head that a network can carry: weights and biases, or the training embeddings themselves. Embeddings are
centred and scaled before fitting, which is folded into the weights afterwards. How the features are scaled is a
hyperparameter, too: `benchmarks/few_images.py` compares the choices.
"""

from collections.abc import Sequence

import numpy as np

from cnncli.data.folds import Fold, Indices, groups_per_class, stratified_folds
from cnncli.dataclass import frozen_dataclass
from cnncli.engines.heads import Array, ClassifierHead, NeighbourHead
from cnncli.evaluation.metrics import balanced_accuracy
from cnncli.records.training import ClassifierName, ClassWeights
from cnncli.training.features.cross_validation import FOLDS, LARGE, LARGE_FOLDS, HeldOut
from cnncli.training.features.hyperparameters import Hyperparameters, log_prior
from cnncli.training.features.linear import LINEAR, Fits, Labels, Problem, fit_scaled
from cnncli.training.features.scaling import scale_factors
from cnncli.training.features.temperature import fit_temperature


@frozen_dataclass
class Rows:
    """Embeddings to fit a classifier to, of images that have exactly one class.

    Attributes:
        vectors: (N, V, D), embeddings of each image itself and of its random views.
        labels: (N,), class index of each image.
        classes: K, number of classes.
        weights: how classes are weighted.
        groups: (N,), number of each image's group, which is held out as a whole; None for no groups.
    """

    vectors: Array
    labels: Labels
    classes: int
    weights: ClassWeights = ClassWeights.NONE
    groups: Indices | None = None

    def subset(self, indices: Indices) -> "Rows":
        """The images with these indices."""
        groups = None if self.groups is None else self.groups[indices]
        return Rows(self.vectors[indices], self.labels[indices], self.classes, self.weights, groups)

    def flat(self) -> tuple[Array, Labels]:
        """Each view in its own row (N V, D), and its class (N V,)."""
        images, views, width = self.vectors.shape
        return self.vectors.reshape(images * views, width), np.repeat(self.labels, views)

    def folds(self, seed: int) -> list[Fold]:
        """The folds of cross-validation; the only image of a class, or its only group, is in every training set."""
        counts = np.bincount(self.labels, minlength=self.classes)
        is_single = groups_per_class(self.labels, self.groups, self.classes)[self.labels] == 1
        indices, single = np.flatnonzero(~is_single), np.flatnonzero(is_single)
        is_large = len(indices) > LARGE
        if is_large:
            rng, share = np.random.default_rng(seed), LARGE / len(indices)
            sizes = {k: max(2, round(share * counts[k])) for k in np.unique(self.labels[indices])}
            indices = np.concatenate(
                [rng.permutation(np.flatnonzero(self.labels == k))[:size] for k, size in sizes.items()]
            )
        part = self.subset(indices)
        present = np.unique(part.labels)
        if len(present) < 2:  # noqa: PLR2004 - nothing to compare
            return []
        smallest = int(groups_per_class(part.labels, part.groups, self.classes)[present].min())
        count = max(min(LARGE_FOLDS if is_large else FOLDS, smallest), 2)
        folds = [
            (np.concatenate([indices[train], single]), indices[held_out])
            for train, held_out in stratified_folds(part.labels, part.groups, count, seed)
        ]
        # With groups, a class may be in no other fold.
        learnable = len(np.unique(self.labels))
        return [fold for fold in folds if len(np.unique(self.labels[fold[0]])) == learnable and len(fold[1])]

    def fit_heads(
        self, name: ClassifierName, candidates: Sequence[Hyperparameters], tolerance: float
    ) -> Sequence[ClassifierHead]:
        """One head per candidate; those with the same scaling are fitted to the same array."""
        vectors, labels = self.flat()
        weights = self._weights_of(labels)
        if name is ClassifierName.KNN:
            votes = np.eye(self.classes)[labels] * weights[:, np.newaxis]
            return _neighbours(vectors, votes, candidates)

        def solve(coordinates: Array, strengths: Sequence[float]) -> Fits:
            problem = Problem(coordinates, labels, weights, self.classes, vectors.shape[1], tolerance)
            return LINEAR[name](problem, strengths)

        return fit_scaled(vectors, candidates, solve)

    def quality(self, name: ClassifierName, candidate: Hyperparameters, held_out: HeldOut) -> float:
        """What hyperparameters are chosen by: their log posterior, per held-out image; for nearest neighbours the accuracy.

        The likelihood is that of the held-out images after calibration. On few images it is far less noisy than the accuracy,
        and if most images are of one class, it does not prefer a classifier that always predicts this class. Shares of a few
        votes have no useful likelihood.
        """
        if name is ClassifierName.KNN:
            return float(np.mean([self.score(logits, labels) for logits, labels in held_out]))
        images = sum(len(labels) for _, labels in held_out)
        return log_prior(name, candidate, self.vectors.shape[2]) / images - self._calibrate(held_out)[1]

    def score(self, logits: Array, labels: Labels) -> float:
        """Accuracy; balanced accuracy where classes are weighted."""
        predicted = logits.argmax(axis=1)
        if self.weights is ClassWeights.NONE:
            return float((predicted == labels).mean())
        return balanced_accuracy(predicted, labels)

    def temperature(self, held_out: HeldOut) -> float:
        """The factor for linear logits that calibrates their probabilities on held-out images."""
        return self._calibrate(held_out)[0]

    def _calibrate(self, held_out: HeldOut) -> tuple[float, float]:
        """The inverse temperature of held-out logits, and their cross-entropy with it; classes weighted as in training."""
        logits, labels = (np.concatenate(parts) for parts in zip(*held_out, strict=True))
        return fit_temperature(logits, labels, self._weights_of(labels))

    def _weights_of(self, labels: Labels) -> Array:
        """Weight of each row: 1, or N / (K * rows of its class), as scikit-learn's `balanced`."""
        if self.weights is ClassWeights.NONE:
            return np.ones(len(labels))
        counts = np.bincount(labels, minlength=self.classes)
        weights: Array = (len(labels) / (self.classes * np.maximum(counts, 1)))[labels]
        return weights


def _neighbours(vectors: Array, votes: Array, candidates: Sequence[Hyperparameters]) -> list[NeighbourHead]:
    """Nearest-neighbour heads, one per candidate.

    Args:
        vectors: (N, D), embeddings.
        votes: (N, K), weight of each in the column of its class.
        candidates: scalings, and numbers of neighbours.
    """
    shift = vectors.mean(axis=0)
    scales = {item.exponent: scale_factors(vectors, item.exponent) for item in candidates}
    scaled = {exponent: (vectors - shift) * scale for exponent, scale in scales.items()}
    return [
        NeighbourHead(scaled[item.exponent], votes, shift, scales[item.exponent], int(item.parameter))
        for item in candidates
    ]
