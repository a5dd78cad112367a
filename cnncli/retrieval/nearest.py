"""Exact nearest-neighbour search, block by block."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.records.choices import DistanceMetric
from cnncli.records.features import Vectors

Doubles = NDArray[np.float64]

BLOCK = 16_384
"""Vectors that are compared at a time."""

_EXTRA_CANDIDATES = 8
"""Rounding of matrix products may swap vectors at almost equal distances, so more than k are compared exactly."""

_QUERIES = 64
"""Queries that are compared with a block at a time."""


def nearest(
    queries: Vectors, vectors: Vectors, k: int, metric: DistanceMetric
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Indices (Q, k) of the nearest vectors and their distances (Q, k), nearest first; ties in order of the index.

    Args:
        queries: (Q, D).
        vectors: (N, D), in memory or memory-mapped; read block by block, once for every 64 queries.
        k: neighbours per query, at most N.
        metric: distance between vectors.
    """
    candidates = [
        _candidates(_scale(queries[start : start + _QUERIES], metric), vectors, k, metric)
        for start in range(0, len(queries), _QUERIES)
    ]
    return _rank_exactly(queries, vectors, np.concatenate(candidates), k, metric)


def _candidates(queries: Doubles, vectors: Vectors, k: int, metric: DistanceMetric) -> NDArray[np.intp]:
    """Indices (Q, C) of a few more than the k nearest vectors of scaled queries, unordered; ties by lower index."""
    count = min(k + _EXTRA_CANDIDATES, len(vectors))
    best = np.full((len(queries), 0), np.inf)
    indices = np.zeros((len(queries), 0), np.intp)
    for start in range(0, len(vectors), BLOCK):
        block = _scale(vectors[start : start + BLOCK], metric)
        distances = _squares(block)[None, :] - 2 * queries @ block.T
        best = np.concatenate([best, distances], axis=1)
        indices = np.concatenate(
            [indices, np.broadcast_to(np.arange(start, start + len(block)), distances.shape)], axis=1
        )
        if best.shape[1] > count:
            columns = _smallest(best, count)
            best = np.take_along_axis(best, columns, 1)
            indices = np.take_along_axis(indices, columns, 1)
    return indices


def _smallest(values: Doubles, count: int) -> NDArray[np.intp]:
    """Columns of the smallest values of each row, ascending; ties by lower column."""
    limits = np.partition(values, count - 1, axis=1)[:, count - 1 : count]
    below, equal = values < limits, values == limits
    missing = count - below.sum(axis=1, keepdims=True)
    selected = below | (equal & (np.cumsum(equal, axis=1) <= missing))
    return np.nonzero(selected)[1].reshape(len(values), count)


def _rank_exactly(
    queries: Vectors, vectors: Vectors, indices: NDArray[np.intp], k: int, metric: DistanceMetric
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The k nearest of candidates with indices (Q, C) and their distances, from differences in double precision."""
    indices = np.sort(indices, axis=1)
    exact = np.empty(indices.shape, np.float64)
    for row, (query, candidates) in enumerate(zip(queries, indices, strict=True)):
        scaled, others = _scale(query[None], metric), _scale(vectors[candidates], metric)
        exact[row] = _distances(others - scaled, metric)
    order = np.argsort(exact, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(indices, order, 1), np.take_along_axis(exact, order, 1)


def _distances(differences: Doubles, metric: DistanceMetric) -> Doubles:
    """(N,): distances from the differences (N, D) of scaled vectors."""
    squares = _squares(differences)
    return squares / 2 if metric is DistanceMetric.COSINE else np.sqrt(squares)


def _scale(vectors: NDArray[np.floating[Any]], metric: DistanceMetric) -> Doubles:
    """Vectors in double precision; for cosines of length one, so that half their squared distance is 1 - cosine."""
    exact = np.asarray(vectors, np.float64)
    if metric is DistanceMetric.EUCLIDEAN:
        return exact
    lengths = np.sqrt(_squares(exact))[:, None]
    scaled: Doubles = exact / np.maximum(lengths, np.finfo(np.float64).tiny)
    return scaled


def _squares(vectors: Doubles) -> Doubles:
    """(N,): squared lengths."""
    squares: Doubles = np.einsum("nd,nd->n", vectors, vectors)
    return squares
