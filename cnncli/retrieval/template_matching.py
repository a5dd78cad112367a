"""Where one small image shows the same as another, at a third of its resolution: template matching by normalised correlation.

A part of the first image may show the whole second one, at every position and in a few sizes; or both overlap at the same size,
shifted by up to a quarter of a side. Each is also tried with the second image mirrored.
"""

import functools
import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass

Pixels = NDArray[np.floating[Any]]
"""(P, H, W): grey values, one image of each of P pairs."""

Boxes = NDArray[np.floating[Any]]
"""(P, 4): height, width, top and left of what an image shows in another one, as shares of its sides."""

Scores = NDArray[np.floating[Any]]
"""(P,)"""

SIDE = 48
"""Pixels of a side of the images."""

FLAT = 1e-2
"""Length of the differences from the mean, in grey values, below which an image is of one shade."""

_COARSE = 16
"""Pixels of a side at which images are compared."""

_SIZES = (16, 14, 12, 10)
"""Sides of the parts of the first image, of `_COARSE` pixels; refining reaches those between."""

_SHIFTS = (-4, -3, -2, 0, 2, 3, 4)
"""By which the second image is shifted, in the same pixels."""

_ByPixel = NDArray[np.floating[Any]]
"""(H, W, P): the pairs side by side. Sums over pixels are then several times as fast."""


@frozen_dataclass
class Match:
    """Where the second images were found in the first ones, and the correlation there."""

    scores: Scores
    boxes: Boxes

    @classmethod
    def none(cls, count: int) -> "Match":
        """Nothing found yet."""
        return cls(np.full(count, -1, np.float32), np.zeros((count, 4), np.float32))

    def update(self, correlations: Scores, boxes: Boxes) -> None:
        """Take over what is better.

        Args:
            correlations: (B, P), of each pair in each of B boxes.
            boxes: (B, 4), in pixels.
        """
        best = correlations.argmax(axis=0)
        scores = correlations[best, np.arange(len(best))]
        is_better = scores > self.scores
        self.scores[is_better] = scores[is_better]
        self.boxes[is_better] = boxes[best[is_better]] / _COARSE


def find(first: Pixels, second: Pixels, *, with_shifts: bool) -> tuple[Match, Match]:
    """Where the first images show the second ones, as they are and mirrored.

    Args:
        first: (P, 48, 48).
        second: (P, 48, 48).
        with_shifts: whether images that only overlap are compared, too; the order of the two does not matter then.
    """
    images, others = (np.ascontiguousarray(values.transpose(1, 2, 0)) for values in (first, second))
    small = _shrink(images, (_COARSE, _COARSE))
    totals, squares = _totals(small), _totals(small**2)
    plain, mirrored = Match.none(len(first)), Match.none(len(first))
    for height, width in product(_SIZES, _SIZES):
        part = _shrink(others, (height, width))
        part -= part.mean(axis=(0, 1))
        energies = np.einsum("ijn,ijn->n", part, part) * _energies(totals, squares, (height, width))
        lengths = _positive(energies)
        boxes = np.array([(height, width, *place) for place in _places(height, width)], np.float32)
        plain.update(_products(small, part) / lengths, boxes)
        mirrored.update(_products(small, part[:, ::-1]) / lengths, boxes)
    if not with_shifts:
        return plain, mirrored
    small_others = _shrink(others, (_COARSE, _COARSE))
    for match, other in ((plain, small_others), (mirrored, small_others[:, ::-1])):
        match.update(*_overlaps(small, other))
    return plain, mirrored


def _shrink(images: _ByPixel, size: tuple[int, int]) -> _ByPixel:
    """Images at a smaller size (height, width), each pixel the mean of its area."""
    rows, columns = (_area_weights(side) for side in size)
    shrunk: _ByPixel = np.tensordot(columns, np.tensordot(rows, images, 1), (1, 1)).swapaxes(0, 1)
    return shrunk


@functools.cache
def _area_weights(side: int) -> Pixels:
    """(side, SIDE): how much each pixel counts in each of fewer ones."""
    edges = np.linspace(0, SIDE, side + 1)
    ends = np.minimum(edges[1:, None], np.arange(1, SIDE + 1))
    starts = np.maximum(edges[:-1, None], np.arange(SIDE))
    overlaps = np.maximum(ends - starts, 0)
    weights: Pixels = (overlaps / overlaps.sum(axis=1, keepdims=True)).astype(np.float32)
    return weights


def _places(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Top and left of each position of a part, row by row."""
    return product(range(_COARSE - height + 1), range(_COARSE - width + 1))


def _products(images: _ByPixel, parts: _ByPixel) -> Scores:
    """(positions, P): scalar products of parts with the images at each position."""
    height, width = parts.shape[:2]
    products = [
        np.einsum("ijn,ijn->n", images[top : top + height, left : left + width], parts)
        for top, left in _places(height, width)
    ]
    return np.stack(products)


def _totals(values: _ByPixel) -> NDArray[np.float64]:
    """(H + 1, W + 1, P): sums of all values above and to the left."""
    return np.pad(values.astype(np.float64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0), (0, 0)))


def _energies(
    totals: NDArray[np.float64], squares: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.float64]:
    """(positions, P): squared differences from the mean, summed over each window of a size (height, width)."""
    sums, squared = (_window_sums(values, size) for values in (totals, squares))
    return squared - sums**2 / math.prod(size)


def _window_sums(totals: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    height, width = size
    bands = totals[height:] - totals[:-height]
    return (bands[:, width:] - bands[:, :-width]).reshape(-1, totals.shape[2])


def _positive(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square roots; infinite where there is next to nothing, so that a quotient is 0."""
    lengths = np.sqrt(np.maximum(energies, 0))
    return np.where(lengths < FLAT, np.inf, lengths)


def _overlaps(images: _ByPixel, others: _ByPixel) -> tuple[Scores, Boxes]:
    """Correlations (B, P) of images with others that are shifted, where they overlap; and the boxes (B, 4), in pixels."""
    boxes = [(_COARSE, _COARSE, top, left) for top, left in product(_SHIFTS, _SHIFTS) if top or left]
    correlations = []
    for *_, top, left in boxes:
        window = images[max(top, 0) : _COARSE + top, max(left, 0) : _COARSE + left]
        other = others[max(-top, 0) : _COARSE - top, max(-left, 0) : _COARSE - left]
        window, other = (values - values.mean(axis=(0, 1)) for values in (window, other))
        energies = [np.einsum("ijn,ijn->n", values, values) for values in (window, other)]
        correlations.append(np.einsum("ijn,ijn->n", window, other) / _positive(energies[0] * energies[1]))
    return np.stack(correlations), np.array(boxes, np.float32)
