"""Random textures: value noise in space, and fractal noise in the plane."""

from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .arrays import Array


def _hash(x: NDArray[np.uint32], y: NDArray[np.uint32], z: NDArray[np.uint32]) -> Array:
    """Hash each lattice point to a number from 0 to 1."""
    mixed = x * np.uint32(374761393) + y * np.uint32(668265263) + z * np.uint32(2246822519)
    mixed = (mixed ^ (mixed >> np.uint32(13))) * np.uint32(1274126177)
    mixed = (mixed ^ (mixed >> np.uint32(15))) * np.uint32(3266489917)
    last: Array = ((mixed ^ (mixed >> np.uint32(16))) & np.uint32(0xFFFF)).astype(np.float32)
    return last / 65535


def space_noise(points: Array) -> Array:
    """Smooth noise from 0 to 1 with features about one unit wide."""
    floor = np.floor(points)
    part = points - floor
    part = part * part * (3 - 2 * part)
    corner = floor.astype(np.int32).astype(np.uint32)
    total = np.zeros(points.shape[1], np.float32)
    for steps in product((0, 1), repeat=3):
        weights = [part[axis] if step else 1 - part[axis] for axis, step in enumerate(steps)]
        shifted = [corner[axis] + np.uint32(step) for axis, step in enumerate(steps)]
        total += weights[0] * weights[1] * weights[2] * _hash(*shifted)
    return total


def cloudy(points: Array, octaves: int = 4) -> Array:
    """Noise from 0 to 1 that has the same roughness on each scale (fractal Brownian motion)."""
    total = np.zeros(points.shape[1], np.float32)
    for octave in range(octaves):
        total += space_noise(points * np.float32(2.03**octave) + np.float32(17 * octave)) * np.float32(
            0.5**octave
        )
    return total / np.float32(2 - 2 ** (1 - octaves))


def speckles(points: Array, radius: float) -> Array:
    """Balls at random positions, one in each unit cell: 1 at the centre, falling to 0 at the radius."""
    cell = np.floor(points)
    inside = points - cell
    corner = cell.astype(np.int32).astype(np.uint32)
    offsets = [_hash(*(corner + np.uint32(salt))) * (1 - 2 * radius) + radius for salt in (11, 57, 91)]
    distance = np.sqrt(sum((inside[axis] - offsets[axis]) ** 2 for axis in range(3)))
    return np.asarray(np.clip(1 - distance / radius, 0, 1), np.float32)


def plane_noise(rng: np.random.Generator, height: int, width: int, cell: float, octaves: int = 4) -> Array:
    """A cloudy picture from 0 to 1 of shape (height, width) with features of cell pixels and smaller."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        size = max(cell / 2**octave, 1)
        rows, columns = int(height / size) + 2, int(width / size) + 2
        grid = Image.fromarray(rng.random((rows, columns), dtype=np.float32))
        smooth = grid.resize((int(columns * size) + 1, int(rows * size) + 1), Image.Resampling.BICUBIC)
        total += np.asarray(smooth)[:height, :width] * np.float32(0.5**octave)
    low, high = total.min(), total.max()
    full: Array = (total - low) / max(high - low, 1e-6)
    return full
