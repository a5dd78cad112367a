"""Linear classifiers for several strengths of their L2 penalty, each fit starting where the one before ended.

Every function yields weights (K, D) and biases (K,) for each value of C, the inverse strength. Use them within
`one_blas_thread`.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import threadpoolctl
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from cnncli.engines.heads import Array
from cnncli.records.training import ClassifierName

Labels = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
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


Fits = Iterator[tuple[Array, Array]]


def one_blas_thread() -> contextlib.AbstractContextManager[object]:
    """Let NumPy and SciPy multiply matrices in one thread.

    The solvers call for many small products; waking threads for each takes several times longer than they save (5 times with
    1,651 embeddings of 1,280 features, 3 times with 20,000, on two cores).
    """
    limits: contextlib.AbstractContextManager[object] = threadpoolctl.threadpool_limits(1, "blas")
    return limits


def logistic(problem: Problem, strengths: Sequence[float]) -> Fits:
    """Multinomial logistic regression."""
    model = LogisticRegression(max_iter=1000, tol=problem.tolerance, warm_start=True)
    for c in strengths:
        model.set_params(C=c).fit(problem.vectors, problem.labels, sample_weight=problem.weights)
        yield _per_class(model.coef_, model.intercept_)


def svm(problem: Problem, strengths: Sequence[float]) -> Fits:
    """Linear support vector machines with the squared hinge loss, one per class against the others.

    The same minimum as that of scikit-learn's LinearSVC with these sample weights, which penalises the bias, too; but all
    classes share the products of L-BFGS, where its coordinate descent takes ten times as long on embeddings.
    """
    classes = np.arange(problem.classes) if problem.classes > 2 else np.array([1])  # noqa: PLR2004 - one margin tells two classes apart
    signs = np.where(problem.labels[:, np.newaxis] == classes, 1.0, -1.0)
    inputs = np.column_stack([problem.vectors, np.ones(len(problem.vectors))])
    solution = np.zeros(inputs.shape[1] * len(classes))
    for c in strengths:
        objective = _squared_hinge(inputs, signs, problem.weights, c)
        solution = minimize(
            objective,
            solution,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 1000, "gtol": problem.tolerance, "ftol": 64 * np.finfo(np.float64).eps},
        ).x
        fitted = solution.reshape(inputs.shape[1], len(classes)).T
        yield _per_class(fitted[:, :-1], fitted[:, -1])


def _squared_hinge(
    inputs: Array, signs: Array, weights: Array, c: float
) -> Callable[[Array], tuple[float, Array]]:
    """The objective of `svm` and its gradient, divided by C and the sum of the weights."""
    shares = weights[:, np.newaxis] / weights.sum()
    penalty = 1 / (c * weights.sum())

    def value_and_gradient(solution: Array) -> tuple[float, Array]:
        fitted = solution.reshape(inputs.shape[1], -1)
        violations = np.maximum(1 - signs * (inputs @ fitted), 0)
        loss = (shares * violations**2).sum() + penalty * (solution @ solution) / 2
        gradient = penalty * fitted - 2 * inputs.T @ (shares * signs * violations)
        return float(loss), gradient.ravel()

    return value_and_gradient


def centroid(problem: Problem, strengths: Sequence[float]) -> Fits:
    """Nearest class mean: -|e - c|^2 is 2 c e - |c|^2, plus a term that is the same for all classes; it has no penalty."""
    means = np.stack([problem.vectors[problem.labels == k].mean(axis=0) for k in range(problem.classes)])
    for _ in strengths:  # squared distances grow with the number of features
        yield 2 * means / problem.width, -(means**2).sum(axis=1) / problem.width


def _per_class(weights: Array, biases: Array) -> tuple[Array, Array]:
    """Two classes have one row, the margin of the second; halves for each class are equivalent."""
    if len(weights) > 1:
        return weights, biases
    return np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2


LINEAR: Mapping[ClassifierName, Callable[[Problem, Sequence[float]], Fits]] = {
    ClassifierName.LOGISTIC: logistic,
    ClassifierName.SVM: svm,
    ClassifierName.CENTROID: centroid,
}
"""The linear classifiers by name."""
