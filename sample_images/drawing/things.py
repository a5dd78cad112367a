# ruff: noqa: PLR2004 - the numbers are the dimensions of the objects
"""Household objects, each about one unit in radius around its origin."""

import numpy as np

from . import shapes
from .arrays import Array, length, mix, rgb, smoothstep, vector
from .lettering import print_ink, rasterize
from .noise import cloudy, space_noise, speckles
from .rendering import Material, Pose, Solid, plain

KEYS = ("`1234567890-=<[", "QWERTYUIOP[]#78", "ASDFGHJKL;'@^45", "ZXCVBNM,./?+!12", "^@<&     >?=+0.")


def teapot(pose: Pose, code: int = 0x7A3B1C) -> list[Solid]:
    """A round teapot whose spout points along x, with a lid and a knob."""
    spout = _catmull_rom(np.array([[0.6, 0.98, 1.16, 1.44], [-0.3, -0.12, 0.3, 0.56], [0] * 4]))
    handle = _catmull_rom(
        np.array([[-0.7, -1.0, -1.36, -1.4, -1.15, -0.75], [0.42, 0.56, 0.4, 0, -0.32, -0.4], [0] * 6])
    )

    def shape(points: Array) -> Array:
        body = shapes.smooth_difference(shapes.ellipsoid(points, 0.92, 0.78, 0.92), points[1] + 0.62, 0.03)
        pipe = shapes.tube(points, spout, list(np.linspace(0.3, 0.1, spout.shape[1])))
        mouth = shapes.sphere(points - vector(1.47, 0.57, 0), 0.085)
        grip = shapes.tube(points, handle, [0.095] * handle.shape[1])
        foot = shapes.cylinder(points + vector(0, 0.64, 0), 0.52, 0.05, 0.02)
        whole = shapes.smooth_union(
            shapes.smooth_union(body, shapes.smooth_difference(pipe, mouth), 0.08), grip, 0.05
        )
        return shapes.union(whole, foot)

    def lid(points: Array) -> Array:
        cover = shapes.ellipsoid(points - vector(0, 0.62, 0), 0.47, 0.23, 0.47)
        rim = shapes.torus(points - vector(0, 0.64, 0), 0.46, 0.035)
        knob = shapes.ellipsoid(points - vector(0, 0.97, 0), 0.15, 0.13, 0.15)
        neck = shapes.cylinder(points - vector(0, 0.85, 0), 0.07, 0.06, 0.02)
        return shapes.smooth_union(np.minimum(cover, rim), np.minimum(knob, neck), 0.05)

    china = Material(plain(code), gloss=0.06, sharpness=180, mirror=1)
    return [Solid(shape, china, pose, slack=0.8), Solid(lid, china, pose, slack=0.8)]


def pretzel(pose: Pose) -> list[Solid]:
    """A soft pretzel lying flat, baked brown, with coarse salt."""
    corners = np.array([[0.62, -0.72], [0.3, -0.28], [-0.05, 0.08], [-0.3, 0.45], [-0.62, 0.78], [-1.05, 0.62],
                        [-1.16, 0.1], [-0.95, -0.45], [-0.5, -0.85], [0, -0.98]])  # fmt: skip
    half = np.column_stack([corners[:, 0], [0.2, 0.13, 0.1, 0, 0, 0, 0, 0, 0, 0], corners[:, 1]])
    other = half[-2::-1] * [-1, 1, 1]
    path = _catmull_rom(np.concatenate([half, other]).T, 2)
    radii = 0.15 + 0.09 * np.sin(np.linspace(0, np.pi, path.shape[1])) ** 2

    def salt(points: Array) -> Array:
        grains: Array = smoothstep(0.0, 0.15, speckles(points * vector(7, 3, 7) + 5, 0.3)) * (
            points[1] > 0.12
        )
        return grains

    def shape(points: Array) -> Array:
        near = shapes.box(points, [1.45, 0.4, 1.25])
        inside = np.flatnonzero(near < 0.1)
        distance = near + 0.05
        distance[inside] = shapes.tube(points[:, inside], path, list(radii))
        return distance

    def colour(points: Array) -> Array:
        baked = mix(rgb(0x5A2206), rgb(0x9A4C14), cloudy(points * 4, 3))
        pale = smoothstep(0.58, 0.75, cloudy(points * 3 + 9, 3))
        return mix(mix(baked, rgb(0xDCA860), pale * 0.7), rgb(0xF8F6F0), salt(points))

    crust = Material(colour, gloss=0.05, sharpness=45, mirror=0.5, bump=lambda points: 0.04 * salt(points))
    return [Solid(shape, crust, pose, slack=0.9)]


def _catmull_rom(corners: Array, steps: int = 3) -> Array:
    """A Catmull-Rom curve through corners (3, K), with some steps between neighbours."""
    padded = np.concatenate([corners[:, :1], corners, corners[:, -1:]], axis=1)
    share = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    before, start, end, after = (
        padded[:, None, shift : shift + corners.shape[1] - 1].swapaxes(1, 2) for shift in range(4)
    )
    t = share.swapaxes(1, 2)
    curve = 0.5 * (2 * start + (end - before) * t + (2 * before - 5 * start + 4 * end - after) * t**2
                   + (3 * start - before - 3 * end + after) * t**3)  # fmt: skip
    return np.concatenate([curve.reshape(3, -1), corners[:, -1:]], axis=1).astype(np.float32)


def keyboard(pose: Pose) -> list[Solid]:
    """A computer keyboard lying flat: rows of keys along x on a tray."""
    pitch = 0.25
    letters = [[rasterize(letter) for letter in line] for line in KEYS]

    def keys(points: Array) -> Array:
        row = np.clip(np.round(points[2] / pitch), -2, 2)
        shift = row * np.float32(0.3 * pitch)
        column = np.clip(np.round((points[0] - shift) / pitch), -7, 7)
        local = np.stack([points[0] - shift - column * pitch, points[1], points[2] - row * pitch]).astype(
            np.float32
        )
        narrowing = 0.12 * np.clip(local[1] + 0.06, 0, 0.2)
        dish = 0.02 * np.exp(-(length(local[::2]) ** 2) * 150)
        key: Array = shapes.box(local, [0.112, 0.07, 0.112], 0.025) + narrowing + dish
        return key

    def key_colour(points: Array) -> Array:
        row = np.round(points[2] / pitch)
        shift = row * np.float32(0.3 * pitch)
        column = np.round((points[0] - shift) / pitch)
        x = (points[0] - shift) / pitch - column
        z = points[2] / pitch - row
        ink = np.zeros(points.shape[1], np.float32)
        for place, line in enumerate(letters):
            number = np.where(row == place - 2, np.clip(column + 7, 0, 14), -1)
            for index, glyph in enumerate(line):
                ink += (number == index) * print_ink(glyph, x * 3 + 0.9, z * 2.4 + 0.75)
        return mix(rgb(0xE9E8E2), rgb(0x303034), ink * (points[1] > 0.02))

    def tray(points: Array) -> Array:
        return shapes.box(points + vector(0, 0.1, 0), [2.15, 0.08, 0.8], 0.05)

    plastic = Material(key_colour, gloss=0.04, sharpness=20, mirror=0.2)
    base = Material(plain(0xB9B8B2), gloss=0.04, sharpness=20, mirror=0.2)
    return [Solid(keys, plastic, pose, slack=0.7, reach=2.3), Solid(tray, base, pose, reach=2.4)]


def abacus(pose: Pose) -> list[Solid]:
    """An abacus standing upright: a wooden frame, rods and coloured beads."""
    rows, columns = 6, 10

    def frame(points: Array) -> Array:
        outer = shapes.box(points, [1.25, 1.0, 0.1], 0.03)
        return shapes.smooth_difference(outer, shapes.box(points, [1.12, 0.87, 1]), 0.01)

    def rods(points: Array) -> Array:
        row = np.clip(np.round(points[1] / 0.28 - 0.5), -3, 2) + 0.5
        across = np.hypot(points[1] - row * 0.28, points[2]) - 0.018
        return np.asarray(np.maximum(across, np.abs(points[0]) - 1.15), np.float32)

    def slots(points: Array) -> tuple[Array, Array]:
        row = np.clip(np.round(points[1] / 0.28 - 0.5), -3, 2)
        moved = np.mod(row * 7, 5) - 2
        start = -1.02 + 0.16 * np.arange(columns)[:, None]
        places = start + np.where(np.arange(columns)[:, None] > 4 + moved, 0.55, 0)
        return row, np.asarray(places, np.float32)

    def beads(points: Array) -> Array:
        row, places = slots(points)
        x = points[0] - places
        out = np.hypot(points[1] - (row + 0.5) * 0.28, points[2])
        near = np.abs(x).argmin(axis=0)
        local = np.stack([x[near, np.arange(x.shape[1])], out, 0 * out])
        return shapes.ellipsoid(local, 0.077, 0.125, 0.125)

    tints = np.concatenate(
        [rgb(code) for code in (0xC02018, 0xE8A010, 0x2A8A38, 0x2858B8, 0xD86018, 0xE0D8C0)], axis=1
    )

    def bead_colour(points: Array) -> Array:
        return np.asarray(tints[:, (slots(points)[0].astype(int) + 3) % rows], np.float32)

    timber = Material(
        lambda p: rgb(0x9A5A28) * (0.5 + cloudy(p * vector(4, 14, 14), 3)), sharpness=20, mirror=0.2
    )
    steel = Material(plain(0xB0B0B0), gloss=0.6, sharpness=40, mirror=0.8)
    paint = Material(bead_colour, gloss=0.05, sharpness=80, mirror=0.7)
    return [Solid(frame, timber, pose), Solid(rods, steel, pose), Solid(beads, paint, pose, slack=0.6)]


def ipod(pose: Pose) -> list[Solid]:
    """A music player lying on its back: a white slab with a screen and a click wheel."""
    menu = [rasterize(word) for word in ("Playlists", "Artists", "Albums", "Songs")]

    def shape(points: Array) -> Array:
        return shapes.box(points, [0.62, 0.1, 1.05], 0.09)

    def colour(points: Array) -> Array:
        x, z = points[0], points[2]
        case = np.broadcast_to(rgb(0xF4F4F2), points.shape)
        screen = smoothstep(0.01, 0, np.maximum(np.abs(x) - 0.47, np.abs(z + 0.48) - 0.36))
        entries = [print_ink(word, (x + 0.42) / (0.055 * word.shape[1] / word.shape[0]) * 0.5, (z + 0.8 - 0.15 * line) / 0.11)
                   for line, word in enumerate(menu)]  # fmt: skip
        shown = mix(rgb(0x9DB4A8), rgb(0x2A3A38), np.max(entries, axis=0))
        out = np.hypot(x, z - 0.45)
        wheel = smoothstep(0.43, 0.42, out) * smoothstep(0.15, 0.16, out)
        return mix(mix(case, shown, screen), rgb(0xB8BABC), wheel)

    body = Material(colour, gloss=0.05, sharpness=200, mirror=0.8)
    back = Material(plain(0xC8C8CA), gloss=0.7, sharpness=90, mirror=1)
    steel = Solid(lambda p: shapes.box(p + vector(0, 0.06, 0), [0.625, 0.08, 1.055], 0.07), back, pose)
    return [Solid(shape, body, pose), steel]


def candle(pose: Pose) -> list[Solid]:
    """A burning candle of cream wax."""

    def wax(points: Array) -> Array:
        body = shapes.cylinder(points + vector(0, 0.75, 0), 0.42, 0.85, 0.06)
        pool = shapes.ellipsoid(points - vector(0, 0.16, 0), 0.33, 0.16, 0.33)
        runs = 0.03 * space_noise(points * vector(8, 1.2, 8))
        return shapes.smooth_difference(body - runs, pool, 0.04)

    def wax_colour(points: Array) -> Array:
        return mix(rgb(0x6A2408), rgb(0xFFC870), smoothstep(-1.3, 0.15, points[1]))

    def flame(points: Array) -> Array:
        return shapes.capsule(points, vector(0, 0.28, 0), vector(0, 0.78, 0), 0.12, 0.012)

    def flame_colour(points: Array) -> Array:
        return mix(rgb(0xFF7A08), rgb(0xFFDC80), smoothstep(0.85, 0.5, points[1]))

    melted = Material(wax_colour, gloss=0.04, sharpness=20, mirror=0.2, translucency=0.8, glow=0.55)
    fire = Material(flame_colour, gloss=0, mirror=0, glow=2.0)
    wick = Solid(
        lambda p: shapes.capsule(p, vector(0, 0, 0), vector(0.02, 0.28, 0), 0.02),
        Material(plain(0x201008)),
        pose,
    )
    return [Solid(wax, melted, pose, slack=0.9, reach=1.8), wick, Solid(flame, fire, pose)]
