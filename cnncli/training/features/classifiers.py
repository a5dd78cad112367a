"""Classifiers on embeddings: fitted by scikit-learn, with hyperparameters chosen by cross-validation.

Each becomes a head that a network can carry: weights and biases, or the training embeddings themselves. Embeddings are
centred and scaled before fitting, which is folded into the weights afterwards. How the features are scaled is a
hyperparameter, too: `benchmarks/few_images.py` compares the choices.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from cnncli.engines.heads import Array, ClassifierHead, LinearHead, NeighbourHead
from cnncli.evaluation.metrics import balanced_accuracy
from cnncli.records.training import ClassifierName, ClassWeights
from cnncli.training.features.linear import LINEAR, Labels, Problem, one_blas_thread
from cnncli.training.features.scaling import COMMON, PARETO, STANDARDISED, RowSpace, scale_factors
from cnncli.training.features.temperature import fit_temperature

FOLDS = 5
LARGE = 3000
"""Rows above which hyperparameters are compared on a subset, in fewer folds; the choice hardly ever differs."""
_LARGE_FOLDS = 3

_FEW = 500
"""Images up to which scalings are compared; on more, standardised features are as good as any."""

_PARAMETERS: Mapping[ClassifierName, Sequence[float]] = {
    ClassifierName.LOGISTIC: (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
    ClassifierName.SVM: (1e-4, 1e-3, 1e-2, 1e-1),
    ClassifierName.KNN: (1, 3, 5, 9, 15, 25),
    ClassifierName.CENTROID: (0.0,),
}
"""C, the inverse strength of the L2 penalty, from strong to weak; k, the number of neighbours; centroids have none."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What cross-validation chooses.

    Attributes:
        exponent: how features are scaled.
        parameter: C or k.
    """

    exponent: float
    parameter: float


_EXPONENTS = (PARETO, STANDARDISED, COMMON)

_DEFAULT_PARAMETERS = {
    ClassifierName.LOGISTIC: 50.0,
    ClassifierName.SVM: 50.0,
    ClassifierName.KNN: 1,
    ClassifierName.CENTROID: 0.0,
}
"""k, and C times the number of features, with which logits grow. Used where images are too few for cross-validation, and
preferred on few images; with a C as small as this, probabilities are moderate."""

_DECADES, _NATS = 1.0, 0.5
"""Priors on hyperparameters, for few images: the standard deviation of C in powers of ten, and what a scaling other than
Pareto's costs. Without them and that of the temperature, cross-validation on a dozen images chooses at random: with 3 images of
each of 2 classes, the log loss on SqueezeNet's features is 0.69 instead of 0.57."""


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
    """Choose the hyperparameters of a classifier, and fit it to all rows.

    Args:
        name: any but AUTO.
        rows: at least one of each class.
        seed: random seed of the folds.
    """
    with one_blas_thread():
        return _fit(name, rows, seed)


def _fit(name: ClassifierName, rows: Rows, seed: int) -> FitResult:
    folds = _folds(rows, seed)
    if not folds:
        default = _default(name, rows.vectors.shape[2])
        head = _fit_default(name, rows, default)
        return FitResult(head, _parameter_text(name, default.parameter), None, None)
    candidates = _candidates(name, len(rows.labels))
    predictions = [_held_out_logits(name, rows, candidates, fold) for fold in folds]
    indices = range(len(candidates))
    held_out = [[(logits[index], labels) for logits, labels in predictions] for index in indices]
    qualities = [_quality(name, *pair, rows) for pair in zip(candidates, held_out, strict=True)]
    best = int(np.argmax(qualities))  # the first of ties
    accuracies = np.array([_accuracy(logits, labels, rows.weights) for logits, labels in held_out[best]])
    return FitResult(
        _fit_final(name, rows, candidates[best], held_out[best]),
        _parameter_text(name, candidates[best].parameter),
        float(accuracies.mean()),
        float(accuracies.std(ddof=1) / np.sqrt(len(folds))),
    )


HeldOut = Sequence[tuple[Array, Labels]]
"""Logits (N, K) and labels (N,) of the held-out images of each fold."""


def _default(name: ClassifierName, width: int) -> Hyperparameters:
    """The hyperparameters for images that are too few for cross-validation, with embeddings of `width` features."""
    parameter = _DEFAULT_PARAMETERS[name]
    if name in {ClassifierName.LOGISTIC, ClassifierName.SVM}:
        parameter = float(f"{parameter / width:.1g}")
    return Hyperparameters(PARETO, parameter)


def _candidates(name: ClassifierName, images: int) -> list[Hyperparameters]:
    """The hyperparameters that cross-validation compares."""
    return [
        Hyperparameters(exponent, parameter)
        for exponent in (_EXPONENTS if images <= _FEW else (STANDARDISED,))
        for parameter in _PARAMETERS[name]
        if name is not ClassifierName.KNN or parameter <= images
    ]


def _quality(name: ClassifierName, candidate: Hyperparameters, held_out: HeldOut, rows: Rows) -> float:
    """What hyperparameters are chosen by: their log posterior, per held-out image; for nearest neighbours the accuracy.

    The likelihood is that of the held-out images after calibration. On few images it is far less noisy than the accuracy,
    and if most images are of one class, it does not prefer a classifier that always predicts this class. Shares of a few
    votes have no useful likelihood.
    """
    if name is ClassifierName.KNN:
        return float(np.mean([_accuracy(logits, labels, rows.weights) for logits, labels in held_out]))
    logits, labels = _pool(held_out)
    log_prior = _log_prior(candidate, _default(name, rows.vectors.shape[2]))
    return log_prior / len(labels) - _calibrate(logits, labels, rows)[1]


def _log_prior(candidate: Hyperparameters, default: Hyperparameters) -> float:
    decades = np.log10(candidate.parameter / default.parameter) if default.parameter else 0.0
    return -float((decades / _DECADES) ** 2 / 2) - _NATS * (candidate.exponent != default.exponent)


def _pool(held_out: HeldOut) -> tuple[Array, Labels]:
    """Logits (N, K) and labels (N,) of all folds."""
    logits, labels = zip(*held_out, strict=True)
    return np.concatenate(logits), np.concatenate(labels)


def _parameter_text(name: ClassifierName, parameter: float) -> str:
    match name:
        case ClassifierName.KNN:
            return f"k = {parameter:g}"
        case ClassifierName.CENTROID:
            return ""
        case _:
            return f"C = {parameter:g}"


def _accuracy(logits: Array, labels: Labels, weights: ClassWeights) -> float:
    """Accuracy; balanced accuracy where classes are weighted."""
    predicted = logits.argmax(axis=1)
    if weights is ClassWeights.NONE:
        return float((predicted == labels).mean())
    return balanced_accuracy(predicted, labels)


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
    name: ClassifierName, rows: Rows, candidates: Sequence[Hyperparameters], fold: tuple[Labels, Labels]
) -> tuple[list[Array], Labels]:
    """Logits of the held-out images themselves, for each candidate; and their labels."""
    train, held_out = fold
    heads = _fit_heads(name, rows.subset(train), candidates, _ROUGH)
    return [head.logits(rows.vectors[held_out, 0]) for head in heads], rows.labels[held_out]


def _fit_default(name: ClassifierName, rows: Rows, default: Hyperparameters) -> ClassifierHead:
    """Fit to all rows, without cross-validation."""
    (head,) = _fit_heads(name, rows, [default], _FINE)
    if isinstance(head, NeighbourHead):  # one vote is no certainty: Laplace's rule of succession
        return dataclasses.replace(head, votes=head.votes + 1)
    return head


def _fit_final(
    name: ClassifierName, rows: Rows, chosen: Hyperparameters, held_out: HeldOut
) -> ClassifierHead:
    """Fit to all rows; linear logits are calibrated on the held-out images by temperature scaling."""
    (head,) = _fit_heads(name, rows, [chosen], _FINE)
    if isinstance(head, LinearHead):
        scale, _ = _calibrate(*_pool(held_out), rows)
        return LinearHead(head.weights * scale, head.biases * scale)
    return head


def _calibrate(logits: Array, labels: Labels, rows: Rows) -> tuple[float, float]:
    """The inverse temperature of held-out logits, and their cross-entropy with it; classes weighted as in training."""
    return fit_temperature(logits, labels, _row_weights(rows, labels))


# ---- heads


def _fit_heads(
    name: ClassifierName, rows: Rows, candidates: Sequence[Hyperparameters], tolerance: float
) -> list[ClassifierHead]:
    """One head per candidate; those with the same scaling are fitted to the same array."""
    vectors, labels = rows.flat()
    shift = vectors.mean(axis=0)
    scales = {item.exponent: scale_factors(vectors, item.exponent) for item in candidates}
    scaled = {exponent: (vectors - shift) * scale for exponent, scale in scales.items()}
    if name is ClassifierName.KNN:
        votes = np.eye(rows.classes)[labels] * _row_weights(rows, labels)[:, np.newaxis]
        return [
            NeighbourHead(scaled[item.exponent], votes, shift, scales[item.exponent], int(item.parameter))
            for item in candidates
        ]
    weights = _row_weights(rows, labels)
    heads: dict[Hyperparameters, ClassifierHead] = {}
    for exponent, vectors in scaled.items():
        space = RowSpace(vectors)
        series = [item for item in candidates if item.exponent == exponent]
        problem = Problem(space.coordinates, labels, weights, rows.classes, vectors.shape[1], tolerance)
        fits = LINEAR[name](problem, [item.parameter for item in series])
        for item, (fitted, biases) in zip(series, fits, strict=True):
            expanded = space.expand(fitted) * scales[exponent]
            heads[item] = LinearHead(expanded, biases - expanded @ shift)
    return [heads[item] for item in candidates]


def _row_weights(rows: Rows, labels: Labels) -> Array:
    """Weight of each row: 1, or N / (K * rows of its class), as scikit-learn's `balanced`."""
    if rows.weights is ClassWeights.NONE:
        return np.ones(len(labels))
    counts = np.bincount(labels, minlength=rows.classes)
    weights: Array = (len(labels) / (rows.classes * np.maximum(counts, 1)))[labels]
    return weights


_ROUGH, _FINE = 1e-3, 1e-4
"""Solver tolerances: for cross-validation, and for the final fit (scikit-learn's default)."""
