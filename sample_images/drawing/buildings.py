# ruff: noqa: PLR2004 - the numbers are the dimensions of the objects
"""Buildings and vehicles, each about one unit in radius around its origin."""

import numpy as np

from . import shapes
from .arrays import Array, mix, rgb, smoothstep, vector
from .lettering import print_ink, rasterize
from .noise import cloudy
from .rendering import Material, Pose, Solid, plain


def _within(numbers: Array, low: float, high: float, edge: float = 0.01) -> Array:
    """1 between low and high, 0 outside."""
    return smoothstep(low - edge, low + edge, numbers) * smoothstep(high + edge, high - edge, numbers)


def school_bus(pose: Pose) -> list[Solid]:
    """A yellow American school bus that drives along x."""
    words = rasterize("SCHOOL BUS")

    def body(points: Array) -> Array:
        cabin = shapes.box(points - vector(-0.25, 0.1, 0), [1.15, 0.52, 0.46], 0.08)
        hood = shapes.box(points - vector(1.08, -0.16, 0), [0.34, 0.25, 0.38], 0.07)
        return shapes.smooth_union(cabin, hood, 0.03)

    def colour(points: Array) -> Array:
        x, y = points[0], points[1]
        yellow = rgb(0xF2A508) * (0.9 + 0.2 * cloudy(points * 3, 2))
        frames = _within(np.mod(x, 0.24), 0.03, 0.21)
        side = _within(y, 0.2, 0.44) * _within(x, -1.3, 0.66) * frames * (np.abs(points[2]) > 0.4)
        front = _within(y, 0.14, 0.48) * (x > 0.8) * (np.abs(points[2]) < 0.39) * (np.abs(points[2]) > 0.015)
        stripes = _within(y, 0.02, 0.05) + _within(y, -0.2, -0.165) + _within(y, -0.33, -0.3)
        grille = (x > 1.38) * _within(y, -0.3, -0.06) * (np.abs(points[2]) < 0.2) * (np.mod(y, 0.05) < 0.03)
        black = np.clip(stripes * (np.abs(points[2]) > 0.36) + grille, 0, 1)
        side_words = print_ink(
            words,
            (x * np.sign(points[2]) + 0.95) / 0.75,
            (0.0 - y) / 0.13,
        )
        front_words = print_ink(words, (0.3 - points[2]) / 0.6, (0.6 - y) / 0.09)
        black = np.maximum(black, np.where(x > 0.85, front_words * (np.abs(points[2]) < 0.4), side_words))
        glass = mix(rgb(0x10161C), rgb(0x6A7C88), smoothstep(0.1, 0.5, y))
        return mix(mix(yellow, rgb(0x101010), black), glass, np.clip(side + front, 0, 1))

    def wheels(points: Array) -> Array:
        side = np.stack([points[0], np.abs(points[2]) - 0.4, points[1] + 0.42])
        places = (-0.85, 0.98)
        discs = [shapes.cylinder(side - vector(x, 0, 0), 0.2, 0.08, 0.03) for x in places]
        bumper = shapes.box(points - vector(1.44, -0.37, 0), [0.04, 0.06, 0.44], 0.02)
        mirror = shapes.box(points - vector(1.2, 0.2, 0.55), [0.03, 0.1, 0.06], 0.02)
        return shapes.union(*discs, bumper, mirror)

    def wheel_colour(points: Array) -> Array:
        hub = np.min([np.hypot(points[0] - x, points[1] + 0.42) for x in (-0.85, 0.98)], axis=0)
        return mix(rgb(0xC8C4B8), rgb(0x121212), smoothstep(0.09, 0.11, hub))

    def lamps(points: Array) -> Array:
        folded = np.stack([points[0], points[1], np.abs(points[2])])
        head = shapes.sphere(folded - vector(1.4, -0.16, 0.28), 0.075)
        roof = shapes.sphere(folded - vector(0.88, 0.54, 0.33), 0.05)
        return shapes.union(head, roof)

    def lamp_colour(points: Array) -> Array:
        return mix(rgb(0xF4F2E8), rgb(0xC02010), smoothstep(0.2, 0.3, points[1]))

    paint = Material(colour, gloss=0.05, sharpness=90, mirror=0.7)
    rubber = Material(wheel_colour, gloss=0.04, sharpness=20, mirror=0.2)
    lens = Material(lamp_colour, gloss=0.06, sharpness=200, mirror=1, glow=0.3)
    return [Solid(body, paint, pose, slack=0.95), Solid(wheels, rubber, pose), Solid(lamps, lens, pose)]


def lighthouse(pose: Pose) -> list[Solid]:
    """A white lighthouse with red bands, a gallery, a lantern and a cap, on a rock."""

    def tower(points: Array) -> Array:
        shaft = shapes.cone(points + vector(0, 0.2, 0), 0.33, 0.21, 0.95)
        deck = shapes.cylinder(points - vector(0, 0.77, 0), 0.3, 0.035, 0.01)
        return shapes.union(shaft, deck)

    def tower_colour(points: Array) -> Array:
        bands = smoothstep(0.0, 0.02, np.abs(np.mod(points[1] + 0.2, 0.64) - 0.32) - 0.16)
        plaster = mix(rgb(0xF4F2EC), rgb(0xB82018), bands) * (0.8 + 0.3 * cloudy(points * vector(6, 2, 6), 3))
        window = _within(np.mod(points[1] + 0.1, 0.5), 0.2, 0.31) * (np.abs(points[0] - 0.03) < 0.035)
        return mix(
            np.asarray(plaster, np.float32), rgb(0x141414), window * (points[2] > 0) * (points[1] < 0.7)
        )

    def lantern(points: Array) -> Array:
        return shapes.cylinder(points - vector(0, 0.93, 0), 0.15, 0.15)

    def lantern_colour(points: Array) -> Array:
        bars = np.abs(np.sin(5 * np.arctan2(points[2], points[0]))) < 0.2
        return mix(rgb(0xE8DCA8), rgb(0x202020), bars.astype(np.float32))

    def iron(points: Array) -> Array:
        cap = shapes.cone(points - vector(0, 1.16, 0), 0.21, 0.02, 0.09)
        tip = shapes.capsule(points, vector(0, 1.2, 0), vector(0, 1.36, 0), 0.015)
        rail = shapes.torus(points - vector(0, 0.9, 0), 0.29, 0.01)
        return shapes.union(cap, tip, rail)

    def rock(points: Array) -> Array:
        mound = shapes.ellipsoid(points + vector(0, 1.75, 0), 2.0, 0.72, 1.4)
        return mound + 0.35 * (cloudy(points * 1.9, 3) - 0.5)

    def rock_colour(points: Array) -> Array:
        grass = smoothstep(-1.3, -1.05, points[1] + 0.3 * (cloudy(points * 4, 3) - 0.5))
        stone = mix(rgb(0x3A332C), rgb(0x9A8C78), cloudy(points * vector(5, 12, 5), 4))
        return mix(stone, mix(rgb(0x2A3C10), rgb(0x7A8C3A), cloudy(points * 12, 3)), grass)

    plaster = Material(tower_colour, gloss=0.03, sharpness=10, mirror=0.1)
    glass = Material(lantern_colour, gloss=0.08, sharpness=100, mirror=1, glow=0.5)
    red = Material(plain(0x8A1812), gloss=0.05, sharpness=40, mirror=0.4)
    ground = Material(rock_colour, gloss=0.02, sharpness=6, mirror=0)
    parts = [Solid(tower, plaster, pose), Solid(lantern, glass, pose), Solid(iron, red, pose)]
    return [*parts, Solid(rock, ground, pose, slack=0.6, reach=3.0)]


def water_tower(pose: Pose) -> list[Solid]:
    """A water tower: a tank with a domed roof and a bowl below, on six braced legs."""
    legs = 6

    def tank(points: Array) -> Array:
        moved = points - vector(0, 0.55, 0)
        drum = shapes.cylinder(moved, 0.62, 0.3, 0.03)
        roof = shapes.cone(moved - vector(0, 0.42, 0), 0.68, 0.04, 0.13)
        bowl = shapes.ellipsoid(moved + vector(0, 0.28, 0), 0.61, 0.32, 0.61)
        return shapes.union(drum, roof, bowl)

    def tank_colour(points: Array) -> Array:
        rust = smoothstep(0.55, 0.75, cloudy(points * vector(6, 1.5, 6), 4)) * 0.5
        seams = smoothstep(0.015, 0.0, np.abs(np.mod(points[1], 0.2) - 0.1)) * 0.3
        return mix(mix(rgb(0xC4D4D8), rgb(0x8A5A3A), rust), rgb(0x505A60), seams)

    def frame(points: Array) -> Array:
        sector = np.float32(2 * np.pi / legs)
        angle = np.arctan2(points[2], points[0])
        folded = angle - np.round(angle / sector) * sector
        out = np.hypot(points[0], points[2])
        local = np.stack([out * np.cos(folded), points[1], np.abs(out * np.sin(folded))])
        leg = shapes.capsule(local, vector(0.62, 0.4, 0), vector(0.85, -1.3, 0), 0.03)
        across = np.float32(np.sin(np.pi / legs))
        inward = np.float32(np.cos(np.pi / legs))
        rings = [
            shapes.capsule(local, vector(r, y, 0), vector(r * inward * inward, y, r * inward * across), 0.018)
            for r, y in ((0.7, -0.2), (0.78, -0.75))
        ]
        pipe = shapes.cylinder(points + vector(0, 0.5, 0), 0.07, 0.9)
        return shapes.union(leg, *rings, pipe, _braces(local, across, inward))

    steel = Material(tank_colour, gloss=0.05, sharpness=25, mirror=0.3)
    struts = Material(plain(0x8C9CA0), gloss=0.05, sharpness=25, mirror=0.3)
    return [Solid(tank, steel, pose, slack=0.9), Solid(frame, struts, pose, slack=0.9)]


def _braces(local: Array, across: np.float32, inward: np.float32) -> Array:
    """Thin crossed rods between neighbouring legs, in the folded sector."""
    low, high = 0.78, 0.7
    rods = [
        shapes.capsule(local, vector(r, y, 0), vector(s * inward * inward, z, s * inward * across), 0.009)
        for r, y, s, z in ((low, -0.75, (low + high) / 2, -0.47), (high, -0.2, (low + high) / 2, -0.47))
    ]
    return shapes.union(*rods)


def picket_fence(pose: Pose) -> list[Solid]:
    """A white picket fence along x."""
    pitch = 0.3

    def pickets(points: Array) -> Array:
        column = np.clip(np.round(points[0] / pitch), -9, 9)
        local = np.stack([points[0] - column * pitch, points[1], points[2]])
        board = shapes.box(local, [0.1, 0.75, 0.03], 0.01)
        point = (np.abs(local[0]) * 1.6 + local[1] - 0.75) * 0.5
        return np.asarray(np.maximum(board, point), np.float32)

    def rails(points: Array) -> Array:
        moved = np.stack([points[0], np.abs(points[1] + 0.05) - 0.4, points[2] + 0.07])
        return shapes.box(moved, [3.0, 0.07, 0.035], 0.01)

    def colour(points: Array) -> Array:
        grain = cloudy(points * vector(14, 1.5, 14), 3)
        dirt = smoothstep(-0.4, -0.8, points[1]) * 0.4
        return mix(np.asarray(rgb(0xF2F1EC) * (0.75 + 0.3 * grain), np.float32), rgb(0x6A6A4A), dirt)

    paint = Material(colour, gloss=0.03, sharpness=12, mirror=0.1)
    return [Solid(pickets, paint, pose, slack=0.9, reach=3.2), Solid(rails, paint, pose, reach=3.2)]
