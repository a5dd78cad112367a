"""Pictures of what is too thin or too transparent for the ray marcher, painted in two dimensions."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, product

import numpy as np
from PIL import Image, ImageDraw

from .arrays import Array, mix, rgb, smoothstep
from .backdrops import bokeh, gradient
from .film import SUPERSAMPLING, blur, develop
from .noise import plane_noise
from .rendering import Backdrop

Line = Sequence[tuple[float, float]]


def photograph_painting(painter: Backdrop, size: tuple[int, int], seed: int) -> Image.Image:
    """Paint a picture and photograph it; size is (width, height) in pixels."""
    width, height = (side * SUPERSAMPLING for side in size)
    return develop(painter(np.random.default_rng(seed), height, width), seed)


def _strokes(height: int, width: int, lines: Sequence[Line], thickness: float) -> Array:
    """Ink from 0 to 1 (height, width) of lines through points in units of the shorter side about the middle."""
    sheet = Image.new("L", (width, height))
    pen, unit = ImageDraw.Draw(sheet), min(width, height) / 2
    for line in lines:
        spots = [(width / 2 + x * unit, height / 2 + y * unit) for x, y in line]
        pen.line(spots, fill=255, width=max(1, round(thickness * unit)), joint="curve")
    return np.asarray(sheet, np.float32) / 255


def _polygons(height: int, width: int, outlines: Sequence[Line]) -> Array:
    """Ink from 0 to 1 (height, width) of polygons in the units of _strokes."""
    sheet = Image.new("L", (width, height))
    pen, unit = ImageDraw.Draw(sheet), min(width, height) / 2
    for outline in outlines:
        pen.polygon([(width / 2 + x * unit, height / 2 + y * unit) for x, y in outline], fill=255)
    return np.asarray(sheet, np.float32) / 255


def _plane(height: int, width: int) -> tuple[Array, Array]:
    """Across and down, in the units of _strokes."""
    unit = min(width, height) / 2
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return (x - np.float32(width / 2)) / unit, (y - np.float32(height / 2)) / unit


def _colour(code: int) -> Array:
    """A colour to mix pictures with, of shape (3, 1, 1)."""
    return rgb(code)[:, :, None]


def jellyfish(rng: np.random.Generator, height: int, width: int) -> Array:
    """A glassy jellyfish with trailing arms in blue water."""
    water = gradient(0x0828A0, 0x020A48, 0.5)(rng, height, width)
    x, y = _plane(height, width)
    tilted_x, tilted_y = (
        x * 0.95 + y * 0.3,
        y * 0.95 - x * 0.3,
    )
    bell = _bell(tilted_x, tilted_y + 0.3)
    arms = blur(_strokes(height, width, [_arm(rng, 1.3) for _ in range(26)], 0.012), 1.5)
    frills = blur(_strokes(height, width, [_arm(rng, 0.8, 0.2) for _ in range(16)], 0.05), 4)
    fading = smoothstep(1.3, -0.1, y)
    glow = 0.8 * bell + fading * (0.45 * arms + 0.6 * frills)
    halo = blur(glow, width / 25) * 0.35
    return np.asarray(water + (glow + halo) * _colour(0x98C4FF) * 1.15, np.float32)


def _bell(x: Array, y: Array) -> Array:
    """The brightness of a jellyfish's dome of radius 0.62: brightest where one looks along its skin."""
    angle = np.arctan2(y, x)
    rim = 0.14 + 0.02 * np.cos(x * 40)
    out = np.hypot(x / 0.62, y / np.where(y < 0, 0.5, rim))
    inside = smoothstep(1.0, 0.96, out)
    ribs = 0.75 + 0.25 * np.cos(np.arctan2(y + 0.5, x) * 40)
    rings = sum(
        smoothstep(
            0.05,
            0.0,
            np.abs(np.hypot(x - place, (y + 0.2) * 1.6) - 0.11),
        )
        for place in (-0.27, 0.0, 0.27)
    )
    light = 0.22 + 0.75 * out**5 * ribs + 0.5 * rings
    return np.asarray(inside * light * (1 + 0.1 * np.sin(angle)), np.float32)


def _arm(rng: np.random.Generator, reach: float, spread: float = 0.5) -> Line:
    """A wavy thread that hangs from the bell."""
    start, phase, swing = rng.uniform(-spread, spread), rng.uniform(0, 6), rng.uniform(0.02, 0.07)
    down = np.linspace(0, reach * rng.uniform(0.6, 1.1), 40)
    across = start * (1 - 0.25 * down) + swing * np.sin(5 * down + phase) * (0.3 + down) - 0.3 * down
    return list(zip(across + 0.05, down - 0.22 + 0.25 * start, strict=True))


def spider_web(rng: np.random.Generator, height: int, width: int) -> Array:
    """An orb web with dew before dark foliage."""
    foliage = bokeh(0x06100A, 0x2A4A22, 40)(rng, height, width)
    angles = np.sort(np.linspace(0, 2 * np.pi, 21)[:-1] + rng.normal(0, 0.07, 20))
    spokes = [[(0.0, -0.05), (2 * np.cos(angle), 2 * np.sin(angle))] for angle in angles]
    turns = [_turn(rng, angles, 0.12 + 0.052 * number) for number in range(21)]
    threads = _strokes(height, width, spokes, 0.004) + _strokes(height, width, turns, 0.004)
    beads = _strokes(
        height,
        width,
        [[spot, (spot[0] + 0.004, spot[1])] for turn in turns for spot in turn if rng.random() < DEWY],
        0.012,
    )
    sheen = 0.35 + 0.9 * plane_noise(rng, height, width, width / 3, 2)
    light = blur(np.clip(threads, 0, 1) * 0.8 + beads * 0.6, 1) * sheen
    return np.asarray(foliage + light * _colour(0xF0F4FA) * 1.3, np.float32)


def _turn(rng: np.random.Generator, angles: Array, radius: float) -> Line:
    """One turn of the catching spiral; its threads sag between the spokes."""
    spots = []
    closed = [*angles, angles[0] + 2 * np.pi]
    for here, there in pairwise(closed):
        for share in np.linspace(0, 1, 7)[:-1]:
            angle = here + (there - here) * share
            out = radius * (1 - 0.16 * share * (1 - share)) * rng.normal(1, 0.004)
            spots.append((float(out * np.cos(angle)), float(out * np.sin(angle) * 1.08 - 0.05)))
    return spots


DEWY = 0.25
"""The share of spots on a spider's web that carry a drop."""

FOREWING = [(0.0, -0.24), (0.3, -0.55), (0.72, -0.78), (0.85, -0.76), (0.86, -0.62), (0.7, -0.3), (0.55, -0.06),
            (0.3, 0.02), (0.0, 0.04)]  # fmt: skip
HINDWING = [
    (0.0, -0.05),
    (0.35, 0.0),
    (0.56, 0.1),
    (0.62, 0.32),
    (0.52, 0.55),
    (0.34, 0.68),
    (0.16, 0.6),
    (0.0, 0.26),
]


def monarch(rng: np.random.Generator, height: int, width: int) -> Array:
    """A monarch with open wings on a thistle."""
    flower = _thistle(rng, bokeh(0x24400E, 0x8AA850, 40)(rng, height, width))
    wings = _polygons(height, width, _both_sides([FOREWING, HINDWING]))
    shaded = flower * (1 - 0.55 * blur(np.roll(wings, height // 25, axis=0), width / 50))
    black = mix(shaded, _colour(0x0C0908), blur(wings, 1))
    cells = blur(_polygons(height, width, _both_sides(_cells())), 1)
    dust = 0.75 + 0.5 * plane_noise(rng, height, width, width / 6, 4)
    orange = mix(black, _colour(0xE8700C) * dust, cells)
    dots = blur(_polygons(height, width, _both_sides(_margin_dots(rng))), 1)
    spotted = mix(orange, _colour(0xF4EEE4), dots)
    body = _strokes(height, width, [_tilt([(0, -0.32), (0, 0.28)])], 0.075)
    feelers = _strokes(height, width, _both_sides([[(0, -0.3), (0.06, -0.42), (0.16, -0.56)]]), 0.012)
    return mix(spotted, _colour(0x120E0C), blur(np.maximum(body, feelers), 1.5))


def _thistle(rng: np.random.Generator, scene: Array) -> Array:
    """A scene with a purple flower head below its middle."""
    _, height, width = scene.shape
    for _ in range(13):
        angles, reaches = rng.uniform(0, 2 * np.pi, 20), rng.uniform(0.3, 0.7, 20)
        tips = np.column_stack([np.cos(angles), np.sin(angles)]) * reaches[:, None] + [0, 0.35]
        petals = _strokes(height, width, [[(0.0, 0.35), (float(x), float(y))] for x, y in tips], 0.018)
        scene = mix(scene, _colour(0xA040B0) * np.float32(rng.uniform(0.5, 1.6)), petals)
    return scene


def _both_sides(lines: Iterable[Line]) -> list[Line]:
    """Lines of the butterfly's right half, and the same on its left."""
    return [_tilt([(side * x, y) for x, y in line]) for line in lines for side in (1, -1)]


def _tilt(line: Line, angle: float = 0.35, size: float = 0.98) -> Line:
    """A line turned about the middle of the picture."""
    cosine, sine = size * np.cos(angle), size * np.sin(angle)
    return [(cosine * x - sine * y, sine * x + cosine * y) for x, y in line]


def _sectors() -> Iterator[tuple[Array, Array, Array]]:
    """The triangles between the veins of the right wings: a root, and two ends on the margin."""
    for wing, root in ((FOREWING, (0.06, -0.12)), (HINDWING, (0.08, 0.08))):
        for here, there in pairwise(np.array(wing[1:-1], np.float32)):
            yield np.array(root, np.float32), here, there


def _cells() -> Iterator[Line]:
    """The orange fields between the veins: two outer ones and an inner one in each sector."""
    for root, here, there in _sectors():
        for first, last, inner, outer in (
            (0.08, 0.46, 0.48, 0.84),
            (0.54, 0.92, 0.48, 0.84),
            (0.1, 0.9, 0.12, 0.44),
        ):
            left, right = mix(here, there, first) - root, mix(here, there, last) - root
            corners = [root + left * inner, root + left * outer, root + right * outer, root + right * inner]
            yield [(float(x), float(y)) for x, y in corners]


def _margin_dots(rng: np.random.Generator) -> Iterator[Line]:
    """Two rows of white dots along the wings' black borders."""
    round_about = np.linspace(0, 2 * np.pi, 9)
    for root, here, there in _sectors():
        for share, out in product(np.linspace(0.1, 0.9, 4), (0.9, 0.96)):
            x, y = mix(root, mix(here, there, float(share)), out)
            radius = rng.uniform(0.007, 0.013)
            yield [
                (float(x + radius * np.cos(angle)), float(y + radius * np.sin(angle)))
                for angle in round_about
            ]


PAINTINGS: dict[str, tuple[Backdrop, tuple[int, int]]] = {
    "jellyfish": (jellyfish, (300, 340)),
    "monarch": (monarch, (340, 320)),
    "spider_web": (spider_web, (320, 320)),
}
"""By class: the painter, and the picture's width and height."""
