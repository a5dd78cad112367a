"""Backdrops and grounds: skies, studios, foliage out of focus, tables and lawns."""

import numpy as np

from .arrays import Array, mix, rgb, smoothstep, vector
from .film import blur
from .noise import cloudy, plane_noise, space_noise
from .rendering import Backdrop, Material


def _down(height: int, width: int) -> Array:
    """0 at the top edge to 1 at the bottom."""
    return np.broadcast_to(np.linspace(0, 1, height, dtype=np.float32)[:, None], (height, width))


def gradient(top: int, bottom: int, mottling: float = 0.1) -> Backdrop:
    """A wall or a paper roll, from one colour to another, slightly uneven."""

    def paint(rng: np.random.Generator, height: int, width: int) -> Array:
        share = _down(height, width).reshape(-1)
        uneven = 1 + mottling * (plane_noise(rng, height, width, width / 2, 2).reshape(-1) - 0.5)
        return np.asarray(mix(rgb(top), rgb(bottom), share) * uneven, np.float32).reshape(3, height, width)

    return paint


def sky(top: int = 0x3A74C4, bottom: int = 0xBFD8EE, clouds: float = 0.5) -> Backdrop:
    """A daytime sky with fair-weather clouds."""

    def paint(rng: np.random.Generator, height: int, width: int) -> Array:
        blue = gradient(top, bottom, 0)(rng, height, width)
        puffs = plane_noise(rng, height, width, width / 2.2, 6)
        shading = plane_noise(rng, height, width, width / 4, 5)
        share = smoothstep(1 - clouds, 1.25 - clouds, puffs) * 0.95
        white = vector(0.92, 0.93, 0.96)[:, :, None] * (0.75 + 0.35 * shading)
        return mix(blue, np.asarray(white, np.float32), share)

    return paint


def bokeh(dark: int, light: int, spots: int = 60, size: float = 0.09) -> Backdrop:
    """Far foliage or lights, so much out of focus that each glint becomes a disc."""

    def paint(rng: np.random.Generator, height: int, width: int) -> Array:
        patches = smoothstep(0.25, 0.75, plane_noise(rng, height, width, width / 3, 3))
        picture = mix(rgb(dark)[:, :, None], rgb(light)[:, :, None], patches * 0.6)
        y, x = np.mgrid[:height, :width].astype(np.float32)
        for _ in range(spots):
            radius = np.float32(size * width * rng.uniform(0.4, 1.2))
            distance = np.hypot(x - np.float32(rng.uniform(0, width)), y - np.float32(rng.uniform(0, height)))
            disc = smoothstep(1.0, 0.85, distance / radius) * np.float32(rng.uniform(0.05, 0.3))
            tint = rgb(light)[:, :, None] * rng.uniform(0.5, 1.5, (3, 1, 1)).astype(np.float32)
            picture = mix(picture, tint, disc)
        return blur(picture, width / 80)

    return paint


def wood(code: int = 0x9A6235, scale: float = 1.0) -> Material:
    """A varnished table top with grain along x."""
    base = rgb(code)

    def colour(points: Array) -> Array:
        stretched = points * vector(0.7, 1, 6) * scale
        warped = stretched + 2 * space_noise(stretched * 0.4)
        rings = 0.5 + 0.5 * np.sin(9 * cloudy(warped, 3) + 2 * stretched[2])
        fibres = cloudy(points * vector(5, 5, 70) * scale, 2)
        planks = smoothstep(0.0, 0.03, np.abs(np.mod(points[2] * scale, 1.3) - 0.65))
        return np.asarray(base * (0.55 + 0.35 * rings + 0.35 * fibres) * (0.35 + 0.65 * planks), np.float32)

    return Material(colour, gloss=0.04, sharpness=25, mirror=0.35)


def cloth(code: int, weave: float = 60.0) -> Material:
    """Woven cloth with soft folds."""
    base = rgb(code)

    def folds(points: Array) -> Array:
        return np.asarray(0.12 * space_noise(points * vector(1.3, 1, 1.3)), np.float32)

    def colour(points: Array) -> Array:
        threads = np.sin(points[0] * weave) * np.sin(points[2] * weave)
        return np.asarray(base * (0.85 + 0.12 * threads + 0.2 * cloudy(points * 3, 3)), np.float32)

    return Material(colour, gloss=0.02, sharpness=4, mirror=0.05, bump=folds)


def paper(code: int = 0xF2F1EE) -> Material:
    """A photographer's paper roll or a plain table."""
    base = rgb(code)
    return Material(lambda p: base * (0.96 + 0.06 * cloudy(p * 4, 2)), gloss=0.02, sharpness=8, mirror=0.1)


def lawn(dark: int = 0x1F3A0C, light: int = 0x7FA83A, blade: float = 18.0) -> Material:
    """Grass seen from some distance."""

    def colour(points: Array) -> Array:
        blades = cloudy(points * vector(blade * 2.2, 1, blade), 3)
        patches = cloudy(points * 1.5, 3)
        return mix(rgb(dark), rgb(light), smoothstep(0.25, 0.8, 0.65 * blades + 0.35 * patches))

    def tufts(points: Array) -> Array:
        return np.asarray(0.05 * space_noise(points * blade), np.float32)

    return Material(colour, gloss=0.02, sharpness=6, mirror=0, translucency=0.3, bump=tufts)


def litter() -> Material:
    """A forest floor: moss, soil and brown leaves."""
    moss = lawn(0x16200A, 0x55702A, 14)

    def colour(points: Array) -> Array:
        leaves = smoothstep(0.5, 0.6, cloudy(points * 5 + 31, 3))
        brown = mix(rgb(0x2A1A0E), rgb(0x9A6A3A), cloudy(points * 11, 3))
        return mix(moss.colour(points), brown, leaves)

    return Material(colour, gloss=0.02, sharpness=6, mirror=0, bump=moss.bump)


def sea(code: int = 0x1C4A66) -> Material:
    """Water with small waves."""
    base = rgb(code)

    def waves(points: Array) -> Array:
        return np.asarray(0.08 * cloudy(points * vector(3, 1, 7), 3), np.float32)

    def colour(points: Array) -> Array:
        return np.asarray(base * (0.6 + 0.8 * cloudy(points * vector(4, 1, 12), 3)), np.float32)

    return Material(colour, gloss=0.05, sharpness=60, mirror=0.6, bump=waves)
