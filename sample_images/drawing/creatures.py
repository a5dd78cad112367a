# ruff: noqa: PLR2004 - the numbers are the dimensions of the objects
"""Animals, each about one unit in radius around its origin."""

import numpy as np

from . import shapes
from .arrays import Array, dot, length, mix, rgb, smoothstep, unit, vector
from .noise import cloudy, space_noise
from .rendering import Material, Pose, Solid, plain


def ladybug(pose: Pose) -> list[Solid]:
    """A seven-spotted ladybug that walks along x."""
    spots = unit(np.array([[0.85, 1, 0], [0.35, 0.8, 0.75], [0.35, 0.8, -0.75], [-0.35, 0.9, 0.5],
                           [-0.35, 0.9, -0.5], [-0.75, 0.4, 0.42], [-0.75, 0.4, -0.42]]).T)  # fmt: skip

    def shell(points: Array) -> Array:
        dome = shapes.ellipsoid(points, 0.95, 0.72, 0.8)
        return shapes.smooth_difference(dome, points[1] + 0.08, 0.04)

    def shell_colour(points: Array) -> Array:
        outward = unit(points / vector(0.95, 0.72, 0.8))
        closest = np.max([dot(outward, spots[:, index, None]) for index in range(spots.shape[1])], axis=0)
        black = smoothstep(0.958, 0.968, closest)
        seam = smoothstep(0.02, 0.008, np.abs(points[2])) * (points[0] < 0.7)
        red = mix(rgb(0xC41808), rgb(0xE04810), cloudy(points * 3, 2))
        return mix(red, rgb(0x0A0808), np.maximum(black, seam))

    def front(points: Array) -> Array:
        collar = shapes.ellipsoid(points - vector(0.82, 0.12, 0), 0.3, 0.34, 0.52)
        head = shapes.ellipsoid(points - vector(1.08, 0.02, 0), 0.22, 0.22, 0.3)
        return shapes.smooth_union(collar, head, 0.03)

    def front_colour(points: Array) -> Array:
        cheek = np.minimum(length(np.abs(points) - vector(0.93, 0.25, 0.38)) / 0.15, 2)
        face = np.minimum(length(np.abs(points) - vector(1.25, 0.12, 0.15)) / 0.09, 2)
        return mix(rgb(0x0A0909), rgb(0xF0ECE0), smoothstep(1.0, 0.85, np.minimum(cheek, face)))

    def legs(points: Array) -> Array:
        mirrored = points * vector(1, 1, 0) + np.abs(points) * vector(0, 0, 1)
        sticks = [
            shapes.tube(
                mirrored,
                _polyline((x, -0.1, 0.5), (x * 1.3, 0.0, 0.95), (x * 1.5 + 0.05, -0.32, 1.12)),
                [0.06, 0.05, 0.03],
            )
            for x in (-0.5, 0.1, 0.6)
        ]
        feelers = shapes.tube(
            mirrored,
            _polyline((1.2, 0.05, 0.15), (1.42, 0.12, 0.3), (1.52, 0.08, 0.42)),
            [0.025, 0.025, 0.04],
        )
        return shapes.union(*sticks, feelers)

    lacquer = Material(shell_colour, gloss=0.05, sharpness=160, mirror=0.9)
    black = Material(front_colour, gloss=0.05, sharpness=80, mirror=0.6)
    dark = Material(plain(0x0E0A08), gloss=0.04, sharpness=30, mirror=0.2)
    return [
        Solid(shell, lacquer, pose, slack=0.8),
        Solid(front, black, pose, slack=0.8),
        Solid(legs, dark, pose),
    ]


def _polyline(*points: tuple[float, float, float]) -> Array:
    """A path (3, K) through points."""
    return np.array(points, np.float32).T


def goldfish(pose: Pose) -> list[Solid]:
    """A goldfish seen from its side, swimming along x, with veil-like fins."""

    def body(points: Array) -> Array:
        belly = shapes.ellipsoid(points, 0.85, 0.5, 0.34)
        root = shapes.ellipsoid(points + vector(0.75, -0.03, 0), 0.4, 0.17, 0.12)
        return shapes.smooth_union(belly, root, 0.2)

    def scales(points: Array) -> Array:
        row = np.floor(points[1] * 11)
        across = np.mod(points[0] * 9 + row * 0.5, 1) - 0.5
        down = np.mod(points[1] * 11, 1) - 0.5
        return np.asarray(0.009 * np.hypot(across + 0.25, down) * (points[0] < 0.42), np.float32)

    def body_colour(points: Array) -> Array:
        back = mix(rgb(0xFFB040), rgb(0xF05A08), smoothstep(-0.4, 0.2, points[1]))
        blotches = smoothstep(0.55, 0.7, cloudy(points * 2.2 + 3, 3))
        gill = smoothstep(0.03, 0.0, np.abs(length(points[:2] - vector(0.62, 0)) - 0.26)) * (points[0] < 0.5)
        rim = mix(mix(back, rgb(0xE03804), blotches * 0.6), rgb(0xA04008), gill * 0.6)
        return np.asarray(rim * (0.85 + 22 * scales(points)), np.float32)

    def fins(points: Array) -> Array:
        wave = 0.05 * np.sin(points[0] * 7 + points[1] * 3)
        flat = points - np.stack([0 * wave, 0 * wave, wave])
        blades = [
            _fin(flat, (-1.45, 0.3), 0.68, 0.22, -0.45),
            _fin(flat, (-1.5, -0.05), 0.6, 0.2, 0.05),
            _fin(flat, (-1.4, -0.35), 0.68, 0.22, 0.6),
            _fin(flat, (-0.15, 0.53), 0.5, 0.24, -0.4),
            _fin(flat, (-0.45, -0.5), 0.3, 0.13, 0.8),
            _fin(flat - vector(0, 0, 0.3), (0.2, -0.42), 0.3, 0.13, 0.9),
        ]
        return shapes.union(*blades)

    def fin_colour(points: Array) -> Array:
        angle = np.arctan2(points[1], points[0] + 0.75)
        rays = 0.85 + 0.15 * np.sin(80 * angle + 10 * space_noise(points * 3))
        return np.asarray(
            mix(rgb(0xF86A10), rgb(0xFFC070), smoothstep(0.5, 1.1, length(points[:2]))) * rays, np.float32
        )

    def eye(points: Array) -> Array:
        return shapes.sphere(
            np.abs(points) * vector(0, 0, 1) + points * vector(1, 1, 0) - vector(0.58, 0.1, 0.21), 0.085
        )

    def eye_colour(points: Array) -> Array:
        return mix(
            rgb(0x080606), rgb(0xE8C060), smoothstep(0.05, 0.06, length(points[:2] - vector(0.59, 0.1)))
        )

    skin = Material(body_colour, gloss=0.08, sharpness=30, mirror=0.6, translucency=0.2, bump=scales)
    veil = Material(fin_colour, gloss=0.04, sharpness=20, mirror=0.1, translucency=0.7, glow=0.15)
    wet = Material(eye_colour, gloss=0.06, sharpness=200, mirror=1)
    return [
        Solid(body, skin, pose, slack=0.8),
        Solid(fins, veil, pose, slack=0.4, reach=2.2),
        Solid(eye, wet, pose),
    ]


def _fin(points: Array, middle: tuple[float, float], long: float, wide: float, tilt: float) -> Array:
    """A thin upright blade about a middle in the plane of x and y."""
    moved = points - vector(*middle, 0)
    cosine, sine = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
    turned = np.stack([cosine * moved[0] + sine * moved[1], cosine * moved[1] - sine * moved[0], moved[2]])
    return shapes.ellipsoid(turned, long, wide, 0.025)
