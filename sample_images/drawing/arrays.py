"""Vectors and colours: float32 arrays with the components along the first axis."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating[Any]]
"""Floats; of shape (3, N) for points, directions and colours."""


def vector(*numbers: float | np.floating[Any]) -> Array:
    """A column that broadcasts against points, of shape (len(numbers), 1)."""
    return np.array(numbers, np.float32)[:, None]


def rgb(code: int) -> Array:
    """The linear light of an sRGB colour like 0xFFCC00, of shape (3, 1)."""
    channels = [(code >> shift & 255) / 255 for shift in (16, 8, 0)]
    return vector(*channels) ** 2.2


def unit(vectors: ArrayLike) -> Array:
    """Vectors scaled to length one along their first axis."""
    array = np.asarray(vectors, np.float32)
    return array / np.maximum(length(array), 1e-6)


def length(vectors: Array) -> Array:
    """Euclidean lengths along the first axis."""
    return np.sqrt(dot(vectors, vectors))


def dot(left: Array, right: Array) -> Array:
    """Inner products along the first axis."""
    return np.asarray(
        np.einsum("i...,i...->...", left, right), np.float32
    )  # twice as fast as a sum of products


def mix(first: Array, second: Array, share: Array | float) -> Array:
    """From first (share 0) to second (share 1)."""
    return np.asarray(first + (second - first) * share, np.float32)


def smoothstep(low: float, high: float, numbers: Array) -> Array:
    """0 below low, 1 above high, and a smooth ramp between; reversed if low is above high."""
    share = np.clip((numbers - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def rotate(points: Array, angle: float, axis: int) -> Array:
    """Rotate points about a coordinate axis by an angle in radians."""
    one, two = [other for other in range(3) if other != axis]
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    result = points.copy()
    result[one] = cosine * points[one] - sine * points[two]
    result[two] = sine * points[one] + cosine * points[two]
    return result
