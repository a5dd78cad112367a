"""Pairs of embeddings that are near each other, without comparing all pairs where these are many.

Up to `_EXACT` embeddings are all compared. More are projected on their main directions and divided into cells around some of them,
drawn at random: each is in the cells of the nearest few of these, and only embeddings that share a cell are compared. Near
duplicates nearly always share one.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.cores import one_blas_thread
from cnncli.images.threads import reading_pool
from cnncli.records.features import Vectors

NEIGHBOURS, IN_CELL = 8, 5
"""Pairs of an embedding, and in each of its cells; of altered photographs, 99 % were among the 5 nearest of their original."""

_EXACT = 20_000
"""Embeddings that are all compared."""

_DIRECTIONS = 256
"""Main directions that more embeddings are projected on."""

_SAMPLE = 8192
"""Embeddings that the main directions are computed from."""

_CELLS = 4
"""Cells that an embedding is in."""

_ROWS = 1024
"""Embeddings that a thread compares with a cell at a time."""

_LARGEST = 32_768
"""Embeddings of a cell that are compared; those of a larger one, such as thousands of copies, are compared in shares."""

Rows = NDArray[np.intp]


@frozen_dataclass
class Pairs:
    """P pairs of images.

    Attributes:
        first, second: (P,), rows of the images.
    """

    first: Rows
    second: Rows

    def select(self, chosen: NDArray[np.bool_] | Rows) -> "Pairs":
        """Some of them."""
        return Pairs(self.first[chosen], self.second[chosen])


def near_pairs(vectors: Vectors, others: Vectors | None, threads: int) -> Pairs:
    """Each embedding with the nearest ones, sorted; of one collection, each pair is there once, the lower row first.

    Args:
        vectors: (N, D), in memory or memory-mapped.
        others: (M, D), to pair them with; None pairs them with each other.
        threads: number of threads.
    """
    theirs = vectors if others is None else others
    is_large = len(vectors) + (len(theirs) if others is not None else 0) > _EXACT
    directions = _main_directions(theirs) if is_large else None
    with one_blas_thread(), reading_pool(threads, "pairs") as pool:
        ours = unit(vectors, directions, pool.map)
        theirs = ours if others is None else unit(others, directions, pool.map)
        cells = (
            _cells(ours, theirs, pool.map) if is_large else [(np.arange(len(ours)), np.arange(len(theirs)))]
        )
        count = IN_CELL if is_large else NEIGHBOURS
        found = list(pool.map(lambda rows: _near(ours, rows[0], theirs, rows[1], count), _blocks(cells)))
    first, second = (np.concatenate(rows) for rows in zip(*found, strict=True))
    if others is None:
        first, second = np.minimum(first, second), np.maximum(first, second)
    _, unique = np.unique(first * len(theirs) + second, return_index=True)
    return Pairs(first[unique], second[unique])


def cosine_distances(vectors: Vectors, others: Vectors, pairs: Pairs) -> NDArray[np.float32]:
    """(P,): cosine distances of pairs of embeddings; of those that are equal, exactly 0.

    Args:
        vectors: (N, D), of the first rows.
        others: (M, D), of the second rows.
        pairs: the rows.
    """
    distances = np.empty(len(pairs.first), np.float32)
    for start in range(0, len(distances), _ROWS):
        block = slice(start, start + _ROWS)
        differences = unit(vectors[pairs.first[block]]) - unit(others[pairs.second[block]])
        distances[block] = np.einsum("pd,pd->p", differences, differences) / 2
    return distances


def _main_directions(vectors: Vectors) -> NDArray[np.float32] | None:
    """(D, 256): the main directions of a sample of vectors (those of an uncentred PCA); None if there are no more dimensions."""
    if vectors.shape[1] <= _DIRECTIONS:
        return None
    sample = unit(vectors[:: max(len(vectors) // _SAMPLE, 1)])
    _, directions = np.linalg.eigh(sample.T @ sample)
    main: NDArray[np.float32] = directions[:, -_DIRECTIONS:]
    return main


Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""Applies a function to each of some values, perhaps in threads."""


def unit(
    vectors: Vectors, directions: NDArray[np.float32] | None = None, apply: Map = map
) -> NDArray[np.float32]:
    """Vectors, projected on some directions (D, E) if there are any, scaled to a length of 1; zero vectors stay.

    Args:
        vectors: (N, D).
        directions: (D, E), orthonormal.
        apply: scales a block of them.
    """

    def scale(start: int) -> NDArray[np.float32]:
        block = np.asarray(vectors[start : start + _ROWS], np.float32)
        if directions is not None:
            block = block @ directions
        lengths = np.sqrt(np.einsum("nd,nd->n", block, block))[:, None]
        scaled: NDArray[np.float32] = (block / np.where(lengths > 0, lengths, 1)).astype(
            np.float32, copy=False
        )
        return scaled

    blocks = apply(scale, range(0, len(vectors), _ROWS))
    return np.concatenate(
        [np.empty((0, vectors.shape[1] if directions is None else directions.shape[1]), np.float32), *blocks]
    )


def _cells(vectors: Vectors, others: Vectors, apply: Map) -> Iterator[tuple[Rows, Rows]]:
    """Rows of vectors, and of others, that are compared with each other."""
    count = min(2 * int((len(vectors) + len(others)) ** 0.5), len(others))
    pivots = others[np.sort(np.random.default_rng(0).choice(len(others), count, replace=False))]
    own = _members(vectors, pivots, apply)
    theirs = own if others is vectors else _members(others, pivots, apply)
    for rows, other_rows in zip(own, theirs, strict=True):
        shares = -(-max(len(rows), len(other_rows), 1) // _LARGEST)
        yield from zip(np.array_split(rows, shares), np.array_split(other_rows, shares), strict=True)


def _members(vectors: Vectors, pivots: Vectors, apply: Map) -> list[Rows]:
    """The rows in the cell of each pivot, in ascending order."""

    def choose(start: int) -> NDArray[np.int32]:
        return _highest(vectors[start : start + _ROWS] @ pivots.T, _CELLS).astype(np.int32)

    nearest = np.concatenate(list(apply(choose, range(0, len(vectors), _ROWS))))
    order = np.argsort(nearest.ravel(), kind="stable")
    ends = np.searchsorted(nearest.ravel()[order], np.arange(1, len(pivots)))
    return np.split(order // nearest.shape[1], ends)


def _blocks(cells: Iterable[tuple[Rows, Rows]]) -> Iterator[tuple[Rows, Rows]]:
    """The rows of each cell, a few at a time, with those that they are compared with."""
    for rows, other_rows in cells:
        for start in range(0, len(rows), _ROWS):
            yield rows[start : start + _ROWS], other_rows


def _near(vectors: Vectors, rows: Rows, others: Vectors, other_rows: Rows, count: int) -> tuple[Rows, Rows]:
    """Each of some rows with the `count` nearest of some others; in the same collection a row is not paired with itself."""
    similarities = vectors[rows] @ others[other_rows].T
    if vectors is others:
        similarities[rows[:, None] == other_rows] = -np.inf
    columns = _highest(similarities, count)
    row, place = np.nonzero(np.isfinite(np.take_along_axis(similarities, columns, axis=1)))
    return rows[row], other_rows[columns[row, place]]


def _highest(values: NDArray[np.float32], count: int) -> Rows:
    """(R, C): columns of the highest values of each row, at most `count`, in no order."""
    count = min(count, values.shape[1])
    return (
        np.argpartition(values, -count, axis=1)[:, -count:] if count else np.empty((len(values), 0), np.intp)
    )
