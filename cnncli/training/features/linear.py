"""Linear classifiers for several strengths of their L2 penalty, each fit starting where the one before ended.

Their minima are those of scikit-learn's classifiers, which takes longer to import than most of these fits take.
Every function yields weights (K, D) and biases (K,) for each value of C, the inverse strength. Use them within
`engines.cores.one_blas_thread`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.heads import Array, LinearHead
from cnncli.records.training import ClassifierName
from cnncli.training.features.hyperparameters import Hyperparameters
from cnncli.training.features.scaling import RowSpace, scale_factors

Labels = NDArray[np.intp]


Fits = Iterator[tuple[Array, Array]]


def fit_scaled(
    vectors: Array,
    candidates: Sequence[Hyperparameters],
    solve: Callable[[Array, Sequence[float]], Fits],
) -> list[LinearHead]:
    """One linear head per candidate; those with the same scaling are fitted to the same array.

    Args:
        vectors: (N, D), embeddings.
        candidates: scalings, and values of C.
        solve: fits to embeddings (N, R) in other coordinates, once for each of some values of C.
    """
    shift = vectors.mean(axis=0)
    heads: dict[Hyperparameters, LinearHead] = {}
    for exponent in dict.fromkeys(item.exponent for item in candidates):
        scale = scale_factors(vectors, exponent)
        space = RowSpace((vectors - shift) * scale)
        series = [item for item in candidates if item.exponent == exponent]
        fits = solve(space.coordinates, [item.parameter for item in series])
        for item, (fitted, biases) in zip(series, fits, strict=True):
            expanded = space.expand(fitted) * scale
            heads[item] = LinearHead(expanded, biases - expanded @ shift)
    return [heads[item] for item in candidates]


@frozen_dataclass
class Problem:
    """What a classifier is fitted to.

    Attributes:
        vectors: (N, D), embeddings.
        labels: (N,), class index of each.
        weights: (N,), of each in the loss.
        classes: K, number of classes.
        width: number of features of the images, of which `vectors` may be a rotation to fewer.
        tolerance: the largest derivative of the mean loss at the end.
    """

    vectors: Array
    labels: Labels
    weights: Array
    classes: int
    width: int
    tolerance: float

    @property
    def is_binary(self) -> bool:
        """Whether a single logit tells the classes apart."""
        return self.classes <= 2  # noqa: PLR2004 - as the name says


@frozen_dataclass
class SeveralProblem:
    """What a classifier is fitted to where several classes can be right.

    Attributes:
        vectors: (N, D), embeddings.
        targets: (N, K), whether each class is right.
        weights: (N, K), of each answer in the loss.
        tolerance: as for `Problem`.
    """

    vectors: Array
    targets: NDArray[np.bool_]
    weights: Array
    tolerance: float


@frozen_dataclass
class _Loss:
    """A loss of logits, for L2-regularised linear classifiers.

    Attributes:
        value_and_derivative: from logits (N, K) and signs (N, K), 1 where the class is right for the image, else -1: the loss of each
            logit (N, K), or of each image (N, 1), and its derivative by the logits (N, K).
        penalises_bias: whether the penalty includes the biases.
    """

    value_and_derivative: Callable[[Array, Array], tuple[Array, Array]]
    penalises_bias: bool


def _squared_hinge(logits: Array, signs: Array) -> tuple[Array, Array]:
    violations = np.maximum(1 - signs * logits, 0)
    return violations**2, -2 * signs * violations


def _log_loss(logits: Array, signs: Array) -> tuple[Array, Array]:
    margins = signs * logits
    return np.logaddexp(0, -margins), -signs * expit(-margins)


def _cross_entropy(logits: Array, signs: Array) -> tuple[Array, Array]:
    is_right = signs > 0
    logits = logits - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits)
    totals = exponentials.sum(axis=1, keepdims=True)
    return np.log(totals) - logits[is_right][:, np.newaxis], exponentials / totals - is_right


_SVM = _Loss(_squared_hinge, penalises_bias=True)
_LOGISTIC = _Loss(_log_loss, penalises_bias=False)
_SOFTMAX = _Loss(_cross_entropy, penalises_bias=False)


def logistic(problem: Problem, strengths: Sequence[float]) -> Fits:
    """Multinomial logistic regression; the same minimum as that of scikit-learn's LogisticRegression with these sample weights."""
    return _fit_classes(problem, strengths, _LOGISTIC if problem.is_binary else _SOFTMAX)


def svm(problem: Problem, strengths: Sequence[float]) -> Fits:
    """Linear support vector machines with the squared hinge loss, one per class against the others.

    The same minimum as that of scikit-learn's LinearSVC with these sample weights, which penalises the bias, too; but all
    classes share the products of L-BFGS, where its coordinate descent takes ten times as long on embeddings.
    """
    return _fit_classes(problem, strengths, _SVM)


def _fit_classes(problem: Problem, strengths: Sequence[float], loss: _Loss) -> Fits:
    """Fit a classifier whose classes exclude each other."""
    classes = np.array([1]) if problem.is_binary else np.arange(problem.classes)
    signs = np.where(problem.labels[:, np.newaxis] == classes, 1.0, -1.0)
    weights = problem.weights[:, np.newaxis]
    for fit in _fit(problem.vectors, signs, weights, strengths, loss, problem.tolerance):
        yield _per_class(*fit)


def logistic_one_vs_rest(problem: SeveralProblem, strengths: Sequence[float]) -> Fits:
    """Logistic regressions, one per class against the others; the same minima as scikit-learn's, with these sample weights."""
    signs = np.where(problem.targets, 1.0, -1.0)
    return _fit(problem.vectors, signs, problem.weights, strengths, _LOGISTIC, problem.tolerance)


def _fit(
    vectors: Array,
    signs: Array,
    weights: Array,
    strengths: Sequence[float],
    loss: _Loss,
    tolerance: float,
) -> Fits:
    """Fit K linear functions at once: they share the products of L-BFGS.

    Args:
        vectors: (N, D), embeddings.
        signs: (N, K), 1 where the class is right for the image, else -1.
        weights: (N, K) or (N, 1), of each value of the loss.
        strengths: values of C.
        loss: what is minimised.
        tolerance: as for `Problem`.
    """
    inputs = np.column_stack([vectors, np.ones(len(vectors))])
    solution = np.zeros(inputs.shape[1] * signs.shape[1])
    for c in strengths:
        solution = minimize(
            _objective(inputs, signs, weights, c, loss),
            solution,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 1000, "gtol": tolerance, "ftol": 64 * np.finfo(np.float64).eps},
        ).x
        fitted = solution.reshape(inputs.shape[1], -1).T
        yield fitted[:, :-1], fitted[:, -1]


def _objective(
    inputs: Array, signs: Array, weights: Array, c: float, loss: _Loss
) -> Callable[[Array], tuple[float, Array]]:
    """The objective of all classes and its gradient, divided by C and the mean over classes of the sum of the weights.

    Args:
        inputs: (N, D + 1), embeddings and a column of ones.
        signs: (N, K), as for `_fit`.
        weights: as for `_fit`.
        c: the inverse strength of the penalty.
        loss: what is minimised.
    """
    total = weights.sum() / weights.shape[1]
    shares = weights / total
    penalty = 1 / (c * total)
    last = None if loss.penalises_bias else -1

    def value_and_gradient(solution: Array) -> tuple[float, Array]:
        fitted = solution.reshape(inputs.shape[1], -1)
        losses, derivatives = loss.value_and_derivative(inputs @ fitted, signs)
        penalised = fitted[:last].ravel()
        gradient = inputs.T @ (shares * derivatives)
        gradient[:last] += penalty * fitted[:last]
        return float((shares * losses).sum() + penalty * (penalised @ penalised) / 2), gradient.ravel()

    return value_and_gradient


def centroid(problem: Problem, strengths: Sequence[float]) -> Fits:
    """Nearest class mean: -|e - c|^2 is 2 c e - |c|^2, plus a term that is the same for all classes; it has no penalty."""
    means = np.stack([problem.vectors[problem.labels == k].mean(axis=0) for k in range(problem.classes)])
    for _ in strengths:  # squared distances grow with the number of features
        yield 2 * means / problem.width, -(means**2).sum(axis=1) / problem.width


def _per_class(weights: Array, biases: Array) -> tuple[Array, Array]:
    """Two classes have one row, the logit of the second; halves for each class are equivalent."""
    if len(weights) > 1:
        return weights, biases
    return np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2


LINEAR: Mapping[ClassifierName, Callable[[Problem, Sequence[float]], Fits]] = {
    ClassifierName.LOGISTIC: logistic,
    ClassifierName.SVM: svm,
    ClassifierName.CENTROID: centroid,
}
"""The linear classifiers by name."""
