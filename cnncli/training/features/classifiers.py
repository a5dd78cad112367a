"""Classifiers on embeddings: fitted by scikit-learn, their strength chosen by cross-validation.

Each ends as a head that a network can carry: weights and biases, or the known embeddings themselves. Embeddings are
standardised before they are fitted, with shrunk variances, and that is folded into the weights afterwards.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from cnncli.engines.heads import Array, ClassifierHead, LinearHead, NeighbourHead
from cnncli.logits import log_probabilities
from cnncli.records.training import ClassifierName, ClassWeights

Labels = NDArray[np.intp]

FOLDS = 5
LARGE = 3000
"""Rows above which strengths are compared on a part of them, in fewer folds: the choice is hardly another."""
_FOLDS_OF_LARGE = 3

_STRENGTHS: Mapping[ClassifierName, Sequence[float]] = {
    ClassifierName.LOGISTIC: (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
    ClassifierName.SVM: (1e-4, 1e-3, 1e-2, 1e-1),
    ClassifierName.KNN: (1, 3, 5, 9, 15, 25),
    ClassifierName.CENTROID: (0.0,),
}
"""Inverse strengths of the L2 penalty (C), from strong to weak; numbers of neighbours; a centroid has nothing to choose."""

_USUAL = {
    ClassifierName.LOGISTIC: 1.0,
    ClassifierName.SVM: 1e-1,
    ClassifierName.KNN: 1,
    ClassifierName.CENTROID: 0.0,
}
"""Where there are too few images to choose."""

_LEAST_VARIATION = 1e-5
"""Standard deviation of a feature, as a share of its mean, below which it is taken for a constant."""

_SHRINKAGE = 0.3
"""Share of the features' mean variance that is added to the variance of each. A feature that is zero for nearly all of a few
training images would else be divided by next to nothing, and on a new image outvote all others. On ants_bees with 2, 5 and 20
images per class, EfficientNet-Lite0's features name 84, 88 and 95 % right instead of 64, 76 and 93 %; with all 243 as many."""

_TEMPERATURES = (-7.0, 7.0)
"""Logarithms of the coldest and the hottest temperature that is tried."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Embeddings to learn from.

    Attributes:
        vectors: (N, V, D), of each image itself and of its random views.
        labels: (N,), index of each image's class.
        classes: K.
        weights: what an image counts.
    """

    vectors: Array
    labels: Labels
    classes: int
    weights: ClassWeights = ClassWeights.NONE

    def taken(self, chosen: NDArray[np.intp]) -> "Rows":
        """Some of the images."""
        return Rows(self.vectors[chosen], self.labels[chosen], self.classes, self.weights)

    def flat(self) -> tuple[Array, Labels]:
        """Every view as a row of its own: (N V, D), and its class."""
        images, views, width = self.vectors.shape
        return self.vectors.reshape(images * views, width), np.repeat(self.labels, views)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A classifier with the strength that suits it.

    Attributes:
        head: what a network carries.
        strength: what was chosen, in words.
        accuracy: mean share of held-out images named right (of classes, where these count alike); None where there
            were too few to hold any out.
        error: its standard error over the folds.
    """

    head: ClassifierHead
    strength: str
    accuracy: float | None
    error: float | None


def fit(name: ClassifierName, rows: Rows, seed: int) -> Fitted:
    """Choose the strength of a classifier, and fit it to all rows.

    Args:
        name: any but AUTO.
        rows: at least one of each class.
        seed: of the folds.
    """
    folds = _folds(rows, seed)
    strengths = [
        strength
        for strength in _STRENGTHS[name]
        if name is not ClassifierName.KNN or strength <= len(rows.labels)
    ]
    if not folds:
        return Fitted(_final(name, rows, _USUAL[name], ()), _told(name, _USUAL[name]), None, None)
    trials = [_held_out(name, rows, strengths, fold) for fold in folds]
    right = np.array(
        [[_score(logits, labels, rows.weights) for logits in of_each] for of_each, labels in trials]
    )
    best = int(right.mean(axis=0).argmax())  # of equals the first
    held_out = [(of_each[best], labels) for of_each, labels in trials]
    head = _final(name, rows, strengths[best], held_out)
    error = float(right[:, best].std(ddof=1) / np.sqrt(len(folds)))
    return Fitted(head, _told(name, strengths[best]), float(right[:, best].mean()), error)


def _told(name: ClassifierName, strength: float) -> str:
    match name:
        case ClassifierName.KNN:
            return f"k = {strength:g}"
        case ClassifierName.CENTROID:
            return ""
        case _:
            return f"C = {strength:g}"


def _score(logits: Array, labels: Labels, weights: ClassWeights) -> float:
    """Share of images named right; where classes count alike, the mean of that over the classes."""
    right = logits.argmax(axis=1) == labels
    if weights is ClassWeights.NONE:
        return float(right.mean())
    return float(np.mean([right[labels == k].mean() for k in np.unique(labels)]))


def _folds(rows: Rows, seed: int) -> list[tuple[Labels, Labels]]:
    """Images to learn from and images held out, several times; a class of a single image is always learned from."""
    counts = np.bincount(rows.labels, minlength=rows.classes)
    chosen = np.flatnonzero(counts[rows.labels] > 1)
    single = np.flatnonzero(counts[rows.labels] == 1)
    is_large = len(chosen) > LARGE
    if is_large:
        draw, share = np.random.default_rng(seed), LARGE / len(chosen)
        least = {k: max(2, round(share * counts[k])) for k in np.flatnonzero(counts > 1)}
        chosen = np.concatenate(
            [draw.permutation(np.flatnonzero(rows.labels == k))[:count] for k, count in least.items()]
        )
    if len(np.unique(rows.labels[chosen])) < 2:  # noqa: PLR2004 - nothing to tell apart
        return []
    smallest = int(np.unique(rows.labels[chosen], return_counts=True)[1].min())
    parts = StratifiedKFold(
        min(_FOLDS_OF_LARGE if is_large else FOLDS, smallest), shuffle=True, random_state=seed
    )
    return [
        (np.concatenate([chosen[learn], single]), chosen[held])
        for learn, held in parts.split(chosen, rows.labels[chosen])
    ]


def _held_out(
    name: ClassifierName, rows: Rows, strengths: Sequence[float], fold: tuple[Labels, Labels]
) -> tuple[list[Array], Labels]:
    """Logits of the held-out images themselves, for each strength; and their classes."""
    learn, held = fold
    heads = _heads(name, rows.taken(learn), strengths, _ROUGH)
    return [head.logits(rows.vectors[held, 0]) for head in heads], rows.labels[held]


def _final(
    name: ClassifierName, rows: Rows, strength: float, held_out: Sequence[tuple[Array, Labels]]
) -> ClassifierHead:
    """Fitted to all rows; its logits multiplied by the temperature that suits the held-out images."""
    (head,) = _heads(name, rows, [strength], _FINE)
    # Logistic regression, too: the strength that names most images right may be one at which it dares say nothing.
    if held_out and isinstance(head, LinearHead):
        logits, labels = (np.concatenate(part) for part in zip(*held_out, strict=True))
        scale = inverse_temperature(logits, labels)
        return LinearHead(head.weights * scale, head.biases * scale)
    if name is ClassifierName.CENTROID and isinstance(
        head, LinearHead
    ):  # squared distances grow with the features
        width = head.weights.shape[1]
        return LinearHead(head.weights / width, head.biases / width)
    return head


def inverse_temperature(logits: Array, labels: Labels) -> float:
    """What to multiply logits by so that their softmax is as probable as it claims (Guo et al., 2017)."""
    # Held-out images that are all right do not make the next one certain: Platt's (1999) targets fall short of 1.
    doubt = 1 / (len(labels) + 2)

    def surprise(logarithm: float) -> float:
        scaled = log_probabilities(logits * np.exp(logarithm))
        right = scaled[np.arange(len(labels)), labels].mean()
        return -float((1 - doubt) * right + doubt * scaled.mean())

    return float(np.exp(minimize_scalar(surprise, bounds=_TEMPERATURES, method="bounded").x))


# ---- the four


def _heads(
    name: ClassifierName, rows: Rows, strengths: Sequence[float], tolerance: float
) -> Iterable[ClassifierHead]:
    """One for each strength."""
    vectors, labels = rows.flat()
    shift, deviation = vectors.mean(axis=0), vectors.std(axis=0)
    # What varies by no more than float32's last digits says nothing, and enlarged it would be all that counts.
    varies = deviation > _LEAST_VARIATION * np.abs(shift)
    shrunk = np.sqrt(deviation**2 + _SHRINKAGE * np.mean(deviation**2))
    scale = np.where(varies, 1 / np.where(varies, shrunk, 1), 0)
    standardised = (vectors - shift) * scale
    fit_one: Callable[[Array, Labels, Rows, float, float], tuple[Array, Array]]
    match name:
        case ClassifierName.KNN:
            votes = np.eye(rows.classes)[labels] * _row_weights(rows, labels)[:, np.newaxis]
            return [NeighbourHead(standardised, votes, shift, scale, int(k)) for k in strengths]
        case ClassifierName.LOGISTIC:
            fit_one = _logistic
        case ClassifierName.SVM:
            fit_one = _svm
        case _:
            fit_one = _centroid
    fitted = [fit_one(standardised, labels, rows, strength, tolerance) for strength in strengths]
    return [LinearHead(weights * scale, biases - (weights * scale) @ shift) for weights, biases in fitted]


def _row_weights(rows: Rows, labels: Labels) -> Array:
    """What each row counts: 1, or as scikit-learn's `balanced` has it, N / (K times the rows of its class)."""
    if rows.weights is ClassWeights.NONE:
        return np.ones(len(labels))
    counts = np.bincount(labels, minlength=rows.classes)
    weights: Array = (len(labels) / (rows.classes * np.maximum(counts, 1)))[labels]
    return weights


def _class_weight(rows: Rows) -> str | None:
    return "balanced" if rows.weights is ClassWeights.BALANCED else None


_ROUGH, _FINE = 1e-3, 1e-4
"""Tolerances at which the solvers stop: while strengths are compared, and in the end, which is scikit-learn's own."""


def _logistic(
    vectors: Array, labels: Labels, rows: Rows, strength: float, tolerance: float
) -> tuple[Array, Array]:
    model = LogisticRegression(
        C=strength, max_iter=1000, tol=tolerance, class_weight=_class_weight(rows)
    ).fit(vectors, labels)
    return _per_class(model.coef_, model.intercept_)


def _svm(
    vectors: Array, labels: Labels, rows: Rows, strength: float, tolerance: float
) -> tuple[Array, Array]:
    images, width = vectors.shape
    model = LinearSVC(
        C=strength,
        max_iter=5000,
        tol=tolerance,
        class_weight=_class_weight(rows),
        dual=images < 4 * width,  # several times faster there, measured
        random_state=0,
    ).fit(vectors, labels)
    return _per_class(model.coef_, model.intercept_)


def _per_class(weights: Array, biases: Array) -> tuple[Array, Array]:
    """scikit-learn has one row for two classes, the margin of the second; half of it for each is the same."""
    if len(weights) > 1:
        return weights, biases
    return np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2


def _centroid(vectors: Array, labels: Labels, rows: Rows, _: float, __: float) -> tuple[Array, Array]:
    """The nearest class mean wins: -|e - c|^2 is 2 c e - |c|^2, and a part that is the same for all classes."""
    means = np.stack([vectors[labels == k].mean(axis=0) for k in range(rows.classes)])
    return 2 * means, -(means**2).sum(axis=1)
