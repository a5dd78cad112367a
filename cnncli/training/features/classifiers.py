"""Classifiers on embeddings: fitted by scikit-learn, with one hyperparameter chosen by cross-validation.

Each becomes a head that a network can carry: weights and biases, or the training embeddings themselves. Embeddings are
standardised with shrunk variances before fitting; the standardisation is folded into the weights afterwards.
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
from cnncli.logits import log_probabilities, predicted_classes
from cnncli.records.training import ClassifierName, ClassWeights

Labels = NDArray[np.intp]

FOLDS = 5
LARGE = 3000
"""Rows above which hyperparameters are compared on a subset, in fewer folds; the choice hardly ever differs."""
_LARGE_FOLDS = 3

_PARAMETERS: Mapping[ClassifierName, Sequence[float]] = {
    ClassifierName.LOGISTIC: (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
    ClassifierName.SVM: (1e-4, 1e-3, 1e-2, 1e-1),
    ClassifierName.KNN: (1, 3, 5, 9, 15, 25),
    ClassifierName.CENTROID: (0.0,),
}
"""C, the inverse strength of the L2 penalty, from strong to weak; k, the number of neighbours; centroids have none."""

_DEFAULT_PARAMETERS = {
    ClassifierName.LOGISTIC: 1.0,
    ClassifierName.SVM: 1e-1,
    ClassifierName.KNN: 1,
    ClassifierName.CENTROID: 0.0,
}
"""Used where there are too few images for cross-validation."""

_LEAST_VARIATION = 1e-5
"""A feature whose standard deviation is below this share of its mean counts as constant."""

_SHRINKAGE = 0.3
"""Share of the features' mean variance that is added to the variance of each. Otherwise a feature that is zero for nearly all
of a few training images would be divided by almost zero, and would dominate on a new image. On ants_bees with 2, 5 and 20 images per
class, the accuracy on EfficientNet-Lite0's features is 84, 88 and 95 % instead of 64, 76 and 93 %; with all 243 it is the same."""

_TEMPERATURES = (-7.0, 7.0)
"""Logarithms of the smallest and the largest inverse temperature."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Embeddings to fit a classifier to.

    Attributes:
        vectors: (N, V, D), embeddings of each image itself and of its random views.
        labels: (N,), class index of each image.
        classes: K, number of classes.
        weights: how classes are weighted.
    """

    vectors: Array
    labels: Labels
    classes: int
    weights: ClassWeights = ClassWeights.NONE

    def subset(self, indices: NDArray[np.intp]) -> "Rows":
        """The images with these indices."""
        return Rows(self.vectors[indices], self.labels[indices], self.classes, self.weights)

    def flat(self) -> tuple[Array, Labels]:
        """Each view in its own row (N V, D), and its class (N V,)."""
        images, views, width = self.vectors.shape
        return self.vectors.reshape(images * views, width), np.repeat(self.labels, views)


@dataclass(frozen=True, slots=True)
class FitResult:
    """A fitted classifier.

    Attributes:
        head: the classifier.
        parameter: chosen hyperparameter, e.g. `C = 0.01`; empty where there is none.
        cv_accuracy: accuracy in cross-validation, balanced where classes are weighted; None where there are too few images.
        cv_standard_error: its standard error over the folds; None likewise.
    """

    head: ClassifierHead
    parameter: str
    cv_accuracy: float | None
    cv_standard_error: float | None


def fit(name: ClassifierName, rows: Rows, seed: int) -> FitResult:
    """Choose the hyperparameter of a classifier, and fit it to all rows.

    Args:
        name: any but AUTO.
        rows: at least one of each class.
        seed: random seed of the folds.
    """
    folds = _folds(rows, seed)
    if not folds:
        default = _DEFAULT_PARAMETERS[name]
        return FitResult(_fit_final(name, rows, default, ()), _parameter_text(name, default), None, None)
    parameters = [
        parameter
        for parameter in _PARAMETERS[name]
        if name is not ClassifierName.KNN or parameter <= len(rows.labels)
    ]
    predictions = [_held_out_logits(name, rows, parameters, fold) for fold in folds]
    scores = np.array(
        [
            [_score(logits, labels, rows.weights) for logits in fold_logits]
            for fold_logits, labels in predictions
        ]
    )
    best = int(scores.mean(axis=0).argmax())  # the first of ties
    held_out = [(fold_logits[best], labels) for fold_logits, labels in predictions]
    return FitResult(
        _fit_final(name, rows, parameters[best], held_out),
        _parameter_text(name, parameters[best]),
        float(scores[:, best].mean()),
        float(scores[:, best].std(ddof=1) / np.sqrt(len(folds))),
    )


def _parameter_text(name: ClassifierName, parameter: float) -> str:
    match name:
        case ClassifierName.KNN:
            return f"k = {parameter:g}"
        case ClassifierName.CENTROID:
            return ""
        case _:
            return f"C = {parameter:g}"


def _score(logits: Array, labels: Labels, weights: ClassWeights) -> float:
    """Accuracy; balanced accuracy where classes are weighted."""
    is_right = predicted_classes(logits) == labels
    if weights is ClassWeights.NONE:
        return float(is_right.mean())
    return float(np.mean([is_right[labels == k].mean() for k in np.unique(labels)]))


def _folds(rows: Rows, seed: int) -> list[tuple[Labels, Labels]]:
    """Training and held-out indices of each fold; the only image of a class is in every training set."""
    counts = np.bincount(rows.labels, minlength=rows.classes)
    indices = np.flatnonzero(counts[rows.labels] > 1)
    single = np.flatnonzero(counts[rows.labels] == 1)
    is_large = len(indices) > LARGE
    if is_large:
        rng, share = np.random.default_rng(seed), LARGE / len(indices)
        sizes = {k: max(2, round(share * counts[k])) for k in np.flatnonzero(counts > 1)}
        indices = np.concatenate(
            [rng.permutation(np.flatnonzero(rows.labels == k))[:size] for k, size in sizes.items()]
        )
    if len(np.unique(rows.labels[indices])) < 2:  # noqa: PLR2004 - nothing to compare
        return []
    smallest = int(np.unique(rows.labels[indices], return_counts=True)[1].min())
    folds = StratifiedKFold(
        min(_LARGE_FOLDS if is_large else FOLDS, smallest), shuffle=True, random_state=seed
    )
    return [
        (np.concatenate([indices[train], single]), indices[held_out])
        for train, held_out in folds.split(indices, rows.labels[indices])
    ]


def _held_out_logits(
    name: ClassifierName, rows: Rows, parameters: Sequence[float], fold: tuple[Labels, Labels]
) -> tuple[list[Array], Labels]:
    """Logits of the held-out images themselves, for each hyperparameter; and their labels."""
    train, held_out = fold
    heads = _fit_heads(name, rows.subset(train), parameters, _ROUGH)
    return [head.logits(rows.vectors[held_out, 0]) for head in heads], rows.labels[held_out]


def _fit_final(
    name: ClassifierName, rows: Rows, parameter: float, held_out: Sequence[tuple[Array, Labels]]
) -> ClassifierHead:
    """Fit to all rows; linear logits are calibrated on the held-out images by temperature scaling."""
    (head,) = _fit_heads(name, rows, [parameter], _FINE)
    # Logistic regression needs this as well: with the most accurate C all probabilities may be nearly equal.
    if held_out and isinstance(head, LinearHead):
        logits, labels = (np.concatenate(arrays) for arrays in zip(*held_out, strict=True))
        scale = inverse_temperature(logits, labels)
        return LinearHead(head.weights * scale, head.biases * scale)
    # Squared distances grow with the number of features.
    if name is ClassifierName.CENTROID and isinstance(head, LinearHead):
        width = head.weights.shape[1]
        return LinearHead(head.weights / width, head.biases / width)
    return head


def inverse_temperature(logits: Array, labels: Labels) -> float:
    """The factor for logits that minimises their cross-entropy (temperature scaling; Guo et al., 2017)."""
    # Targets are smoothed as in Platt (1999): otherwise perfect held-out predictions would make every later one certain.
    doubt = 1 / (len(labels) + 2)

    def loss(logarithm: float) -> float:
        scaled = log_probabilities(logits * np.exp(logarithm))
        target = scaled[np.arange(len(labels)), labels].mean()
        return -float((1 - doubt) * target + doubt * scaled.mean())

    return float(np.exp(minimize_scalar(loss, bounds=_TEMPERATURES, method="bounded").x))


# ---- the four classifiers


def _fit_heads(
    name: ClassifierName, rows: Rows, parameters: Sequence[float], tolerance: float
) -> Iterable[ClassifierHead]:
    """One head per hyperparameter."""
    vectors, labels = rows.flat()
    shift, deviation = vectors.mean(axis=0), vectors.std(axis=0)
    # A feature that varies by no more than float32's last digits is noise; standardised, it would dominate.
    varies = deviation > _LEAST_VARIATION * np.abs(shift)
    shrunk = np.sqrt(deviation**2 + _SHRINKAGE * np.mean(deviation**2))
    scale = np.where(varies, 1 / np.where(varies, shrunk, 1), 0)
    standardised = (vectors - shift) * scale
    fit_one: Callable[[Array, Labels, Rows, float, float], tuple[Array, Array]]
    match name:
        case ClassifierName.KNN:
            votes = np.eye(rows.classes)[labels] * _row_weights(rows, labels)[:, np.newaxis]
            return [NeighbourHead(standardised, votes, shift, scale, int(k)) for k in parameters]
        case ClassifierName.LOGISTIC:
            fit_one = _logistic
        case ClassifierName.SVM:
            fit_one = _svm
        case _:
            fit_one = _centroid
    pairs = [fit_one(standardised, labels, rows, parameter, tolerance) for parameter in parameters]
    return [LinearHead(weights * scale, biases - (weights * scale) @ shift) for weights, biases in pairs]


def _row_weights(rows: Rows, labels: Labels) -> Array:
    """Weight of each row: 1, or N / (K * rows of its class), as scikit-learn's `balanced`."""
    if rows.weights is ClassWeights.NONE:
        return np.ones(len(labels))
    counts = np.bincount(labels, minlength=rows.classes)
    weights: Array = (len(labels) / (rows.classes * np.maximum(counts, 1)))[labels]
    return weights


def _class_weight(rows: Rows) -> str | None:
    return "balanced" if rows.weights is ClassWeights.BALANCED else None


_ROUGH, _FINE = 1e-3, 1e-4
"""Solver tolerances: for cross-validation, and for the final fit (scikit-learn's default)."""


def _logistic(vectors: Array, labels: Labels, rows: Rows, c: float, tolerance: float) -> tuple[Array, Array]:
    model = LogisticRegression(C=c, max_iter=1000, tol=tolerance, class_weight=_class_weight(rows)).fit(
        vectors, labels
    )
    return _per_class(model.coef_, model.intercept_)


def _svm(vectors: Array, labels: Labels, rows: Rows, c: float, tolerance: float) -> tuple[Array, Array]:
    images, width = vectors.shape
    model = LinearSVC(
        C=c,
        max_iter=5000,
        tol=tolerance,
        class_weight=_class_weight(rows),
        dual=images < 4 * width,  # measured: several times faster there
        random_state=0,
    ).fit(vectors, labels)
    return _per_class(model.coef_, model.intercept_)


def _per_class(weights: Array, biases: Array) -> tuple[Array, Array]:
    """scikit-learn gives one row for two classes, the margin of the second; halves for each class are equivalent."""
    if len(weights) > 1:
        return weights, biases
    return np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2


def _centroid(vectors: Array, labels: Labels, rows: Rows, _: float, __: float) -> tuple[Array, Array]:
    """Nearest class mean: -|e - c|^2 is 2 c e - |c|^2, plus a term that is the same for all classes."""
    means = np.stack([vectors[labels == k].mean(axis=0) for k in range(rows.classes)])
    return 2 * means, -(means**2).sum(axis=1)
