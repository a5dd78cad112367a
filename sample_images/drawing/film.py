"""From light to a photograph: depth of field, exposure and grain."""

import numpy as np
from PIL import Image

from .arrays import Array, mix, smoothstep
from .noise import plane_noise
from .rendering import Exposure, Scene, expose

SUPERSAMPLING = 2


def photograph(scene: Scene, size: tuple[int, int], seed: int, *, grain: float = 0.014) -> Image.Image:
    """Render a scene and photograph it; size is (width, height) in pixels."""
    width, height = (side * SUPERSAMPLING for side in size)
    exposure = expose(scene, width, height, seed)
    distance = float(np.linalg.norm(scene.camera.place))
    return develop(_focus(exposure, distance, scene.camera.blur * width), seed, grain=grain)


def develop(light: Array, seed: int, *, grain: float = 0.014) -> Image.Image:
    """Turn light (3, height, width), rendered at SUPERSAMPLING times the size, into a picture."""
    rng = np.random.default_rng(seed)
    small = _downsample(light)
    small = small + 0.25 * blur(np.maximum(small - 1, 0), small.shape[2] / 25)  # bright light spreads
    height, width = small.shape[1:]
    values = _tone_map(small * _vignette(height, width))
    coarse = plane_noise(rng, height, width, 2.2, 1) - 0.5
    fine = rng.standard_normal((3, height, width), dtype=np.float32)
    noisy = values + grain * (fine + 1.2 * coarse)
    return Image.fromarray((np.clip(noisy, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0).copy())


def blur(planes: Array, radius: float) -> Array:
    """Blur planes (..., height, width) by three running means, which approximate a Gaussian; radius in pixels."""
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


def _focus(exposure: Exposure, distance: float, confusion: float) -> Array:
    """Depth of field: blur what is far from the focus distance; confusion is a far point's disc in pixels."""
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
        weight = np.maximum(blur(behind, radius), 1e-3)
        background = blur(exposure.light * behind, radius) / weight
        soft = np.where(behind > 0, background, blur(exposure.light, radius))
        result = mix(result, soft, share)
    return result


def _downsample(light: Array) -> Array:
    """Means over squares of SUPERSAMPLING pixels."""
    planes, height, width = light.shape
    step = SUPERSAMPLING
    squares = light.reshape(planes, height // step, step, width // step, step)
    return np.asarray(squares.mean(axis=(2, 4)), np.float32)


def _vignette(height: int, width: int) -> Array:
    """Factors (height, width) by which a lens darkens the corners."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    return np.asarray(1 - 0.14 * (x * x + y * y), np.float32)


def _tone_map(light: Array) -> Array:
    """Convert light to sRGB values from 0 to 1 (Narkowicz's fit of the ACES curve)."""
    curve = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    values = np.clip(curve, 0, 1) ** np.float32(1 / 2.2)
    return mix(values, values.mean(axis=0), 0.12)  # lamps and lenses are never as pure as computed colours
