"""Exact search: the nearest of many vectors, block by block; and all pairs that are near enough."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.records.choices import DistanceMetric
from cnncli.records.features import Vectors

Doubles = NDArray[np.float64]

BLOCK = 16_384
"""Vectors that are compared at a time."""

_SPARE = 8
"""More candidates than are wanted: products may change places of those that are almost equally far."""


_ROUNDING = 1e-9
"""Of squared distances, as a share."""


_QUERIES = 64
"""Queries that are compared with a block at a time."""
_ROWS = BLOCK // 8
"""Vectors whose groups are looked for at a time."""


def nearest(
    queries: Vectors, vectors: Vectors, k: int, metric: DistanceMetric
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Indices (Q, k) of the nearest vectors, nearest first, of equals the lower index first; and their distances (Q, k).

    Args:
        queries: (Q, D).
        vectors: (N, D), perhaps on a disk; read in blocks, once for every 64 queries.
        k: at most N.
        metric: how far is far.
    """
    some = [
        _candidates(_scaled(queries[start : start + _QUERIES], metric), vectors, k, metric)
        for start in range(0, len(queries), _QUERIES)
    ]
    return _exactly(queries, vectors, np.concatenate(some), k, metric)


def _candidates(asked: Doubles, vectors: Vectors, k: int, metric: DistanceMetric) -> NDArray[np.intp]:
    """Indices (Q, C) of a few more than the nearest vectors, in no order; of equals the lower indices."""
    count = min(k + _SPARE, len(vectors))
    best = np.full((len(asked), 0), np.inf)
    places = np.zeros((len(asked), 0), np.intp)
    for start in range(0, len(vectors), BLOCK):
        block = _scaled(vectors[start : start + BLOCK], metric)
        far = _squares(block)[None, :] - 2 * asked @ block.T
        best = np.concatenate([best, far], axis=1)
        places = np.concatenate(
            [places, np.broadcast_to(np.arange(start, start + len(block)), far.shape)], axis=1
        )
        if best.shape[1] > count:
            kept = _smallest(best, count)
            best, places = np.take_along_axis(best, kept, 1), np.take_along_axis(places, kept, 1)
    return places


def _smallest(values: Doubles, count: int) -> NDArray[np.intp]:
    """Where the smallest values of each row are, in the order of their places; of equals the first."""
    limits = np.partition(values, count - 1, axis=1)[:, count - 1 : count]
    below, equal = values < limits, values == limits
    wanted = count - below.sum(axis=1, keepdims=True)
    chosen = below | (equal & (np.cumsum(equal, axis=1) <= wanted))
    return np.nonzero(chosen)[1].reshape(len(values), count)


def _exactly(
    queries: Vectors, vectors: Vectors, places: NDArray[np.intp], k: int, metric: DistanceMetric
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The nearest of a few candidates (Q, C), in double precision."""
    places = np.sort(places, axis=1)
    exact = np.empty(places.shape, np.float64)
    for row, (query, candidates) in enumerate(zip(queries, places, strict=True)):
        one, others = _scaled(query[None], metric), _scaled(vectors[candidates], metric)
        exact[row] = _distances(others - one, metric)
    order = np.argsort(exact, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(places, order, 1), np.take_along_axis(exact, order, 1)


def groups(vectors: Vectors, limit: float, metric: DistanceMetric) -> list[list[tuple[int, float]]]:
    """Groups of two and more: a vector, and those after it within a limit that are in no group yet, with their distances.

    Nobody is in a group by way of others, or a row of small differences would tie what is not alike.

    Args:
        vectors: (N, D); all pairs are looked at, so a million take hours.
        limit: the largest distance.
        metric: how far is far.
    """
    is_taken = np.zeros(len(vectors), bool)
    groups_: dict[int, list[int]] = {}
    for start in range(0, len(vectors), _ROWS):
        rows = _scaled(vectors[start : start + _ROWS], metric)
        likes = _are_near(rows, rows, limit, metric)
        firsts = []
        for row in range(len(rows)):
            if not is_taken[start + row]:
                firsts.append(row)
                likes[row, : row + 1] = False  # those before it had their turn
                members = start + np.flatnonzero(likes[row] & ~is_taken[start : start + len(rows)])
                groups_[start + row] = members.tolist()
                is_taken[members] = True
        for begin in range(start + len(rows), len(vectors) if firsts else 0, BLOCK):
            others = _scaled(vectors[begin : begin + BLOCK], metric)
            near = _are_near(rows[firsts], others, limit, metric) & ~is_taken[begin : begin + BLOCK]
            for place in np.flatnonzero(near.any(axis=0)).tolist():
                groups_[start + firsts[int(near[:, place].argmax())]].append(begin + place)
                is_taken[begin + place] = True
    return [_with_distances(vectors, [first, *rest], metric) for first, rest in groups_.items() if rest]


def _are_near(rows: Doubles, others: Doubles, limit: float, metric: DistanceMetric) -> NDArray[np.bool_]:
    """(R, O): which scaled vectors lie within a limit of which."""
    bound = 2 * limit if metric is DistanceMetric.COSINE else limit**2
    squares = _squares(rows)[:, None] + _squares(others)[None, :] - 2 * rows @ others.T
    near: NDArray[np.bool_] = squares <= bound + _ROUNDING * (1 + bound)
    return near


def _with_distances(vectors: Vectors, group: list[int], metric: DistanceMetric) -> list[tuple[int, float]]:
    """The indices of a group, each with its distance from the first."""
    members = _scaled(vectors[group], metric)
    return list(zip(group, _distances(members - members[0], metric).tolist(), strict=True))


def _distances(differences: Doubles, metric: DistanceMetric) -> Doubles:
    """(N,): from the differences (N, D) of scaled vectors."""
    squares = _squares(differences)
    return squares / 2 if metric is DistanceMetric.COSINE else np.sqrt(squares)


def _scaled(vectors: NDArray[np.floating[Any]], metric: DistanceMetric) -> Doubles:
    """In double precision; for cosines all of length one: their squared distance is then twice one minus the cosine."""
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
