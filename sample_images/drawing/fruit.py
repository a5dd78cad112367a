"""Fruit, vegetables and mushrooms, each about one unit in radius around its origin."""

import numpy as np

from . import shapes
from .arrays import Array, length, mix, rgb, smoothstep, vector
from .noise import cloudy, space_noise, speckles
from .rendering import Distance, Material, Paint, Pose, Solid


def _pores(scale: float, depth: float) -> Distance:
    """The dimpled skin of citrus fruit."""
    return lambda points: depth * space_noise(points * scale)


def _uneven(code: int, second: int, scale: float = 2.0) -> Paint:
    """One colour going over into another in patches."""
    return lambda points: mix(rgb(code), rgb(second), smoothstep(0.35, 0.8, cloudy(points * scale + 7, 3)))


def lemon(pose: Pose, code: int = 0xF5C800, patches: int = 0xF2DC3C) -> list[Solid]:
    """A lemon lying along x: a stretched ball with a nipple at one end and a neck at the other."""

    def shape(points: Array) -> Array:
        body = shapes.ellipsoid(points, 1.0, 0.78, 0.78)
        nipple = shapes.ellipsoid(points - vector(1.02, 0, 0), 0.24, 0.19, 0.19)
        neck = shapes.ellipsoid(points + vector(0.97, 0, 0), 0.2, 0.22, 0.22)
        lumps = 0.03 * (space_noise(points * 2.2) - 0.5)
        return shapes.smooth_union(shapes.smooth_union(body, nipple, 0.16), neck, 0.12) + lumps

    def colour(points: Array) -> Array:
        scar = smoothstep(0.16, 0.08, length(points + vector(1.17, 0, 0)))
        shade = 1.1 - 0.25 * space_noise(points * 30)
        return mix(_uneven(code, patches)(points) * shade, rgb(0x6B6A24), scar)

    skin = Material(colour, gloss=0.045, sharpness=26, mirror=0.35, translucency=0.15, bump=_pores(30, 0.007))
    return [Solid(shape, skin, pose, slack=0.8, reach=1.3)]


def orange(pose: Pose, code: int = 0xE85C00, patches: int = 0xF07408) -> list[Solid]:
    """An orange with a green stub above."""

    def shape(points: Array) -> Array:
        hollow = 0.06 * np.exp(-(points[0] ** 2 + points[2] ** 2) * 18) * (points[1] > 0)
        lumps = 0.02 * (space_noise(points * 2) - 0.5)
        body: Array = shapes.ellipsoid(points, 1.0, 0.95, 1.0) + hollow + lumps
        return body

    def colour(points: Array) -> Array:
        shade = 1.15 - 0.3 * space_noise(points * 34)
        return np.asarray(_uneven(code, patches)(points) * shade, np.float32)

    def stub(points: Array) -> Array:
        angle = np.arctan2(points[2], points[0])
        star = 1 + 0.3 * np.cos(5 * angle)
        leaf: Array = shapes.ellipsoid(points - vector(0, 0.91, 0), 0.14, 0.05, 0.14) * star
        return leaf

    skin = Material(colour, gloss=0.045, sharpness=22, mirror=0.3, translucency=0.15, bump=_pores(34, 0.007))
    green = Material(_uneven(0x4D5B1E, 0x7A7A3A, 20), gloss=0.02, sharpness=8, mirror=0.05)
    return [Solid(shape, skin, pose, slack=0.9, reach=1.05), Solid(stub, green, pose, slack=0.6, reach=1.05)]


def banana(pose: Pose, code: int = 0xF2C21C, tips: int = 0x4A3A18) -> list[Solid]:
    """A banana: an arc that is thick in its middle, with five blunt edges, stalk and tip."""
    bends = np.linspace(-1.15, 1.15, 15)
    path = np.stack([1.25 * np.sin(bends), 1.25 * (1 - np.cos(bends)) - 0.35, 0 * bends]).astype(np.float32)
    radii = [0.07, 0.09, 0.17, 0.23, 0.265, 0.28, 0.285, 0.285, 0.28, 0.27, 0.245, 0.2, 0.13, 0.065, 0.06]

    def around(points: Array) -> tuple[Array, Array]:
        across = np.hypot(points[0], points[1] - 0.9) - 1.25
        return np.arctan2(points[0], 0.9 - points[1]), np.arctan2(points[2], across)

    def shape(points: Array) -> Array:
        edges = 0.014 * np.cos(5 * around(points)[1])
        return shapes.tube(points, path, radii) - edges

    def colour(points: Array) -> Array:
        along = around(points)[0]
        ripe = mix(rgb(code), rgb(0xE9D24A), cloudy(points * 2, 3))
        greenish = mix(ripe, rgb(0xA8B432), smoothstep(0.85, 1.12, np.abs(along)) * 0.8)
        spots = smoothstep(0.72, 0.8, cloudy(points * 9, 2))
        dirty = mix(greenish, rgb(0x8A5A20), spots * 0.8)
        return mix(dirty, rgb(tips), smoothstep(1.08, 1.14, along) + smoothstep(-1.12, -1.17, along))

    skin = Material(colour, gloss=0.035, sharpness=14, mirror=0.2, translucency=0.1)
    return [Solid(shape, skin, pose, slack=0.8)]


def bell_pepper(pose: Pose, code: int = 0xC81810, patches: int = 0xD83018) -> list[Solid]:
    """A bell pepper standing upright: a lobed, waxy body with a sunken shoulder and a green stem."""

    def shape(points: Array) -> Array:
        angle, out = np.arctan2(points[2], points[0]), np.hypot(points[0], points[2])
        taper = 1 - 0.17 * smoothstep(0.6, -1.0, points[1])
        furrows = (1 - np.abs(np.cos(2 * angle + 0.4))) ** 2
        squeezed = out / taper + 0.12 * furrows * smoothstep(0, 0.5, out)
        body = _superellipsoid(squeezed, points[1])
        dent = 0.42 * np.exp(-(out**2) * 5) * smoothstep(0, 0.5, points[1])
        foot = 0.25 * np.exp(-(out**2) * 5) * smoothstep(0, -0.5, points[1])
        dented: Array = body + dent + foot
        return dented

    bends = np.array([[0, 0.02, 0.08, 0.2], [0.4, 0.65, 0.92, 1.14], [0, 0, 0.03, 0.08]], np.float32)

    def stem(points: Array) -> Array:
        ridges = 0.012 * np.cos(6 * np.arctan2(points[2], points[0]))
        stalk = shapes.tube(points, bends, [0.17, 0.1, 0.09, 0.13]) - ridges
        collar = shapes.ellipsoid(points - vector(0, 0.5, 0), 0.34, 0.07, 0.34)
        return shapes.smooth_union(stalk, collar, 0.1)

    skin = Material(_uneven(code, patches, 1.5), gloss=0.05, sharpness=140, mirror=1.0, translucency=0.1)
    green = Material(_uneven(0x4C7A1E, 0x86A83C, 6), gloss=0.035, sharpness=20, mirror=0.2)
    return [Solid(shape, skin, pose, slack=0.55, reach=1.3), Solid(stem, green, pose, slack=0.7, reach=1.4)]


def _superellipsoid(out: Array, height: Array) -> Array:
    """An upright barrel between a ball and a cylinder in its outline."""
    power = 2.7
    norm = (np.abs(out / 0.95) ** power + np.abs(height / 0.92) ** power) ** (1 / power)
    return np.asarray((norm - 1) * 0.85, np.float32)


def _warts(points: Array) -> Array:
    """1 in the middle of each of a fly agaric's flakes."""
    ragged = points * 4.2 + 0.9 * space_noise(points * 5)
    return speckles(ragged + 3, 0.36)


def _fibres(points: Array) -> Array:
    """Upright furrows of a stem."""
    return 0.05 * space_noise(points * vector(12, 2, 12))


def mushroom(
    pose: Pose, code: int = 0xB8200C, patches: int = 0xC03010, warts: float = 1.0, dome: float = 0.62
) -> list[Solid]:
    """A mushroom: a domed cap, with white warts or without, gills, a ring, and a stem with a bulb."""

    def cap(points: Array) -> Array:
        moved = points - vector(0, 0.25, 0)
        lumps = 0.03 * (space_noise(points * 3) - 0.5)
        hollow = shapes.ellipsoid(moved + vector(0, 0.12, 0), 0.98, dome * 0.62, 0.98)
        lid = shapes.smooth_difference(
            shapes.ellipsoid(moved, 1.0, dome, 1.0) + lumps, points[1] - 0.16, 0.06
        )
        return shapes.smooth_difference(lid, hollow, 0.04)

    def cap_colour(points: Array) -> Array:
        rim = smoothstep(0.6, 1.0, np.hypot(points[0], points[2])) * 0.35
        skin = mix(_uneven(code, patches)(points) * (0.8 + 0.4 * cloudy(points * 4, 3)), rgb(0xD86020), rim)
        spots = smoothstep(0.0, 0.12, _warts(points)) * warts
        gills = 0.75 + 0.25 * np.sin(90 * np.arctan2(points[2], points[0]))
        above = smoothstep(0.9, 0.95, length(points / vector(1, dome, 1) - vector(0, 0.25 / dome, 0)))
        return mix(rgb(0xE8DCC0) * gills, mix(skin, rgb(0xF4EEDC), spots), above)

    def stem(points: Array) -> Array:
        path = np.array([[0.06, 0.02, 0, 0.03], [-1.05, -0.8, -0.3, 0.3], [0, 0, 0, 0]], np.float32)
        stick = shapes.tube(points, path, [0.3, 0.25, 0.19, 0.17])
        skirt = shapes.cone(points + vector(0, 0.1, 0), 0.36, 0.2, 0.07)
        return shapes.smooth_union(stick, skirt, 0.04)

    bump = None if not warts else lambda p: 0.05 * _warts(p)
    skin = Material(cap_colour, gloss=0.04, sharpness=50, mirror=0.5, translucency=0.1, bump=bump)
    flesh = Material(
        _uneven(0xEDE6D2, 0xC9B992, 4), gloss=0.02, sharpness=8, mirror=0.05, translucency=0.2, bump=_fibres
    )
    return [Solid(cap, skin, pose, slack=0.6, reach=1.3), Solid(stem, flesh, pose, slack=0.8, reach=1.4)]
