"""Fitting a classifier to embeddings, with hyperparameters chosen by cross-validation.

How heads are fitted and compared depends on how many classes can be right for an image: `classifiers`, `several_classes`.
"""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cnncli.data.folds import Fold, Indices
from cnncli.dataclass import frozen_dataclass
from cnncli.engines.cores import one_blas_thread, usable_cores
from cnncli.engines.heads import Array, ClassifierHead, LinearHead, NeighbourHead
from cnncli.records.training import ClassifierName
from cnncli.training.features import hyperparameters
from cnncli.training.features.hyperparameters import Hyperparameters

FOLDS = 5
LARGE = 3000
"""Rows above which hyperparameters are compared on a subset, in fewer folds; the choice hardly ever differs."""
LARGE_FOLDS = 3

_ROUGH, _FINE = 1e-3, 1e-4
"""Solver tolerances: for cross-validation, and for the final fit (scikit-learn's default)."""

LabelArray = NDArray[Any]
"""(N,), class index of each image; or (N, K), whether it is of each class."""

HeldOut = Sequence[tuple[Array, LabelArray]]
"""Logits (N, K) of the held-out images of each fold, and their labels."""


class TrainingRows(Protocol):
    """Embeddings and labels to fit a classifier to."""

    @property
    def vectors(self) -> Array:
        """(N, V, D), embeddings of each image itself and of its random views."""

    @property
    def labels(self) -> LabelArray:
        """The classes of each image."""

    def subset(self, indices: Indices) -> Self:
        """The images with these indices."""

    def folds(self, seed: int) -> Sequence[Fold]:
        """The folds of cross-validation; none where images are too few."""

    def fit_heads(
        self, name: ClassifierName, candidates: Sequence[Hyperparameters], tolerance: float
    ) -> Sequence[ClassifierHead]:
        """One head per candidate."""

    def quality(self, name: ClassifierName, candidate: Hyperparameters, held_out: HeldOut) -> float:
        """What hyperparameters are chosen by; the larger the better."""

    def score(self, logits: Array, labels: LabelArray) -> float:
        """What classifiers are compared by, on held-out images; NaN where these cannot tell."""

    def temperature(self, held_out: HeldOut) -> float:
        """The factor for linear logits that calibrates their probabilities on held-out images."""


@frozen_dataclass
class FitResult:
    """A fitted classifier.

    Attributes:
        head: the classifier.
        parameter: chosen hyperparameter, e.g. `C = 0.01`; empty where there is none.
        cv_score: its score in cross-validation (`TrainingRows.score`); None where there are too few images.
        cv_standard_error: its standard error over the folds; None likewise.
    """

    head: ClassifierHead
    parameter: str
    cv_score: float | None
    cv_standard_error: float | None


def fit(name: ClassifierName, rows: TrainingRows, seed: int) -> FitResult:
    """Choose the hyperparameters of a classifier, and fit it to all rows.

    Args:
        name: any but AUTO.
        rows: at least one of each class.
        seed: random seed of the folds.
    """
    with one_blas_thread():
        folds = rows.folds(seed)
        return _fit_best(name, rows, folds) if folds else _fit_default(name, rows)


def choose(
    name: ClassifierName, rows: TrainingRows, folds: Sequence[Fold]
) -> tuple[Hyperparameters, HeldOut]:
    """The best hyperparameters in these folds, and the logits with them."""
    candidates = hyperparameters.candidates(name, len(rows.labels))
    pool = ThreadPoolExecutor(min(usable_cores(), len(folds)), "fold")
    try:
        predictions = list(pool.map(lambda fold: _held_out_logits(name, rows, candidates, fold), folds))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # an interrupted program does not wait for a fit
    labels = [rows.labels[held_out] for _, held_out in folds]
    held_out = [list(zip(logits, labels, strict=True)) for logits in zip(*predictions, strict=True)]
    qualities = [rows.quality(name, *pair) for pair in zip(candidates, held_out, strict=True)]
    best = int(np.argmax(qualities))  # the first of ties
    return candidates[best], held_out[best]


def _fit_best(name: ClassifierName, rows: TrainingRows, folds: Sequence[Fold]) -> FitResult:
    best, held_out = choose(name, rows, folds)
    head = _fit_final(name, rows, best, held_out)
    parameter = hyperparameters.parameter_text(name, best.parameter)
    scores = np.array([rows.score(*pair) for pair in held_out])
    scores = scores[~np.isnan(scores)]
    if len(scores) < 2:  # noqa: PLR2004 - a single one has no spread
        return FitResult(head, parameter, None, None)
    return FitResult(head, parameter, float(scores.mean()), float(scores.std(ddof=1) / np.sqrt(len(scores))))


def _held_out_logits(
    name: ClassifierName, rows: TrainingRows, candidates: Sequence[Hyperparameters], fold: Fold
) -> list[Array]:
    """Logits of the held-out images themselves, for each candidate."""
    train, held_out = fold
    heads = rows.subset(train).fit_heads(name, candidates, _ROUGH)
    return [head.logits(rows.vectors[held_out, 0]) for head in heads]


def _fit_default(name: ClassifierName, rows: TrainingRows) -> FitResult:
    """Fit to all rows, without cross-validation."""
    default = hyperparameters.default(name, rows.vectors.shape[2])
    (head,) = rows.fit_heads(name, [default], _FINE)
    if isinstance(head, NeighbourHead):  # one vote is no certainty: Laplace's rule of succession
        head = dataclasses.replace(head, votes=head.votes + 1)
    return FitResult(head, hyperparameters.parameter_text(name, default.parameter), None, None)


def _fit_final(
    name: ClassifierName, rows: TrainingRows, chosen: Hyperparameters, held_out: HeldOut
) -> ClassifierHead:
    """Fit to all rows; linear logits are calibrated on the held-out images by temperature scaling."""
    (head,) = rows.fit_heads(name, [chosen], _FINE)
    if isinstance(head, LinearHead):
        scale = rows.temperature(held_out)
        return LinearHead(head.weights * scale, head.biases * scale)
    return head
