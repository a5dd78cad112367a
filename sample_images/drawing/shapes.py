"""Signed distances of points from a shape at the origin: above 0 outside, below 0 inside.

The formulas follow Inigo Quilez, https://iquilezles.org/articles/distfunctions/.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from .arrays import Array, dot, length, vector


def sphere(points: Array, radius: float) -> Array:
    """A ball."""
    return length(points) - radius


def ellipsoid(points: Array, *radii: float) -> Array:
    """A ball stretched to three radii; exact near the surface only."""
    sizes = vector(*radii)
    near, far = length(points / sizes), length(points / (sizes * sizes))
    return near * (near - 1) / np.maximum(far, 1e-6)


def box(points: Array, halves: Sequence[float], rounding: float = 0.0) -> Array:
    """A box of three half sizes with rounded edges."""
    beyond = np.abs(points) - (vector(*halves) - rounding)
    inner = np.minimum(reduce(np.maximum, beyond), 0)
    return np.asarray(length(np.maximum(beyond, 0)) + inner - rounding, np.float32)


def cylinder(points: Array, radius: float, half: float, rounding: float = 0.0) -> Array:
    """An upright cylinder (along y) of half a height."""
    across = np.hypot(points[0], points[2]) - np.float32(radius - rounding)
    along = np.abs(points[1]) - np.float32(half - rounding)
    outer = np.hypot(np.maximum(across, 0), np.maximum(along, 0))
    return np.asarray(np.minimum(np.maximum(across, along), 0) + outer - rounding, np.float32)


def cone(points: Array, low: float, high: float, half: float) -> Array:
    """An upright cone without its tip, from radius low below to radius high above."""
    share = np.clip(points[1] / (2 * half) + 0.5, 0, 1)
    across = np.hypot(points[0], points[2]) - (low + share * np.float32(high - low))
    along = np.abs(points[1]) - half
    return np.asarray(
        np.maximum(across * np.float32(half / np.hypot(half, (low - high) / 2)), along), np.float32
    )


def torus(points: Array, ring: float, tube: float) -> Array:
    """A lying ring (about y)."""
    return np.asarray(np.hypot(np.hypot(points[0], points[2]) - ring, points[1]) - tube, np.float32)


def capsule(points: Array, start: Array, end: Array, radius: float, end_radius: float | None = None) -> Array:
    """A stick with round ends between two points, its radius changing evenly."""
    path, gone = end - start, points - start
    share = np.clip(dot(gone, path) / dot(path, path), 0, 1)
    thickness = radius + share * ((radius if end_radius is None else end_radius) - radius)
    return np.asarray(length(gone - path * share) - thickness, np.float32)


def tube(points: Array, path: Array, radii: Sequence[float]) -> Array:
    """A bent stick along the points of a path (3, K) with a radius at each of them."""
    distance = np.full(points.shape[1], np.inf, np.float32)
    for here in range(path.shape[1] - 1):
        ends = path[:, here, None], path[:, here + 1, None]
        distance = np.minimum(distance, capsule(points, *ends, radii[here], radii[here + 1]))
    return distance


def union(*distances: Array) -> Array:
    """The union of several shapes."""
    return reduce(np.minimum, distances)


def smooth_union(first: Array, second: Array, softness: float) -> Array:
    """The union of two shapes, blended over a width."""
    share = np.clip(0.5 + (second - first) / np.float32(2 * softness), 0, 1)
    return np.asarray(second + (first - second) * share - softness * share * (1 - share), np.float32)


def smooth_difference(block: Array, hole: Array, softness: float = 0.01) -> Array:
    """The block without the hole, blended over a width."""
    return -smooth_union(-block, hole, softness)
