"""Probabilities of images by classifiers that have not seen them: each image is held out in one of a few folds."""

from collections.abc import Callable

import numpy as np

from cnncli.data.folds import Fold, stratified_folds
from cnncli.engines.cores import one_blas_thread
from cnncli.engines.heads import Array
from cnncli.logits import probabilities
from cnncli.records.training import ClassifierName
from cnncli.training.features import hyperparameters
from cnncli.training.features.classifiers import Rows
from cnncli.training.features.cross_validation import FOLDS, choose
from cnncli.training.features.hyperparameters import Hyperparameters

_NAME = ClassifierName.LOGISTIC
_TOLERANCE = 1e-4
_IMPOSSIBLE = -100.0
"""The logit of a class that a fold has no image of to learn from."""


def held_out_probabilities(rows: Rows, seed: int, advance: Callable[[], None] = lambda: None) -> Array:
    """(N, K), probabilities by logistic regressions on the embeddings of the other folds.

    Hyperparameters and temperature are chosen as for a classifier of a run, which may see a part of the images.

    Args:
        rows: at least two images of at least two classes, of different groups.
        seed: random seed of the folds.
        advance: called after each of `FOLDS` folds.
    """
    logits = np.empty((len(rows.labels), rows.classes))
    with one_blas_thread():
        chosen, scale = _choose(rows, seed)
        for fold in stratified_folds(rows.labels, rows.groups, FOLDS, seed):
            logits[fold[1]] = scale * _logits(rows, fold, chosen)
            advance()
    return probabilities(logits.astype(np.float32)).astype(np.float64)


def _choose(rows: Rows, seed: int) -> tuple[Hyperparameters, float]:
    """Hyperparameters, and the factor that calibrates logits."""
    if folds := rows.folds(seed):
        chosen, held_out = choose(_NAME, rows, folds)
        return chosen, rows.temperature(held_out)
    return hyperparameters.default(_NAME, rows.vectors.shape[2]), 1.0


def _logits(rows: Rows, fold: Fold, chosen: Hyperparameters) -> Array:
    """Logits (H, K) of the H images that a fold holds out."""
    train, held_out = fold
    present, labels = np.unique(rows.labels[train], return_inverse=True)
    logits = np.full((len(held_out), rows.classes), _IMPOSSIBLE)
    if len(present) > 1:
        known = Rows(rows.vectors[train], labels, len(present), rows.weights)
        (head,) = known.fit_heads(_NAME, [chosen], _TOLERANCE)
        logits[:, present] = head.logits(rows.vectors[held_out, 0])
    return logits
