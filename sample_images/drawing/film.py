"""From light to a photograph: depth of field, exposure and grain."""

import numpy as np
from PIL import Image

from .arrays import Array, mix, smoothstep
from .noise import plane_noise
from .rendering import Exposure, Scene, expose

SUPERSAMPLING = 2


def photograph(scene: Scene, size: tuple[int, int], seed: int, *, grain: float = 0.014) -> Image.Image:
    """A picture of a scene, of a width and a height."""
    width, height = (side * SUPERSAMPLING for side in size)
    exposure = expose(scene, width, height, seed)
    distance = float(np.linalg.norm(scene.camera.place))
    return developed(_focused(exposure, distance, scene.camera.blur * width), seed, grain=grain)


def developed(light: Array, seed: int, *, grain: float = 0.014) -> Image.Image:
    """A picture from light (3, height, width) taken at SUPERSAMPLING times its size."""
    rng = np.random.default_rng(seed)
    shrunk = _shrunk(light)
    shrunk = shrunk + 0.25 * blurred(np.maximum(shrunk - 1, 0), shrunk.shape[2] / 25)  # bright light spreads
    height, width = shrunk.shape[1:]
    shown = _toned(shrunk * _vignette(height, width))
    coarse = plane_noise(rng, height, width, 2.2, 1) - 0.5
    fine = rng.standard_normal((3, height, width), dtype=np.float32)
    noisy = shown + grain * (fine + 1.2 * coarse)
    return Image.fromarray((np.clip(noisy, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0).copy())


def blurred(planes: Array, radius: float) -> Array:
    """Planes (..., height, width) blurred by a bell of a standard deviation in pixels: three running means."""
    reach = round(radius)
    if reach < 1:
        return planes
    for _ in range(3):
        planes = _running_mean(_running_mean(planes, reach).swapaxes(-1, -2), reach).swapaxes(-1, -2)
    return planes


def _running_mean(planes: Array, reach: int) -> Array:
    """Means of 2 * reach + 1 neighbours along the last axis, the edges repeated."""
    padding = [(0, 0)] * (planes.ndim - 1) + [(reach + 1, reach)]
    sums = np.pad(planes, padding, mode="edge").cumsum(axis=-1, dtype=np.float64)
    span = 2 * reach + 1
    means: Array = ((sums[..., span:] - sums[..., :-span]) / span).astype(np.float32)
    return means


def _focused(exposure: Exposure, distance: float, confusion: float) -> Array:
    """The light through a lens focused at a distance; far points become discs of some pixels' diameter."""
    if confusion < 1:
        return exposure.light
    disc = confusion * np.abs(1 - distance / np.maximum(exposure.depth, 0.1))
    disc = np.where(exposure.solid > 0, disc * 0.25, disc)  # the object itself stays fairly sharp
    behind = 1 - exposure.solid
    result = exposure.light
    for radius in (1, 2, 4, 8, 16):
        share = smoothstep(radius * 0.75, radius * 1.5, disc)
        if share.max() == 0:
            break
        weight = np.maximum(blurred(behind, radius), 1e-3)
        background = blurred(exposure.light * behind, radius) / weight
        soft = np.where(behind > 0, background, blurred(exposure.light, radius))
        result = mix(result, soft, share)
    return result


def _shrunk(light: Array) -> Array:
    """Means over squares of SUPERSAMPLING pixels."""
    planes, height, width = light.shape
    step = SUPERSAMPLING
    squares = light.reshape(planes, height // step, step, width // step, step)
    return np.asarray(squares.mean(axis=(2, 4)), np.float32)


def _vignette(height: int, width: int) -> Array:
    """Lenses darken the corners."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    return np.asarray(1 - 0.14 * (x * x + y * y), np.float32)


def _toned(light: Array) -> Array:
    """Light as sRGB values from 0 to 1, with film's soft shoulder (Narkowicz's fit of the ACES curve)."""
    curve = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    shown = np.clip(curve, 0, 1) ** np.float32(1 / 2.2)
    return mix(shown, shown.mean(axis=0), 0.12)  # lamps and lenses are never as pure as computed colours
