"""The scenes: objects with their ground, backdrop, light and camera."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .arrays import Array, length, vector
from .backdrops import bokeh, cloth, gradient, lawn, litter, paper, sea, sky, wood
from .buildings import lighthouse, picket_fence, school_bus, water_tower
from .creatures import goldfish, ladybug
from .fruit import banana, bell_pepper, lemon, mushroom, orange
from .rendering import Camera, Light, Material, Pose, Scene
from .things import abacus, candle, ipod, keyboard, pretzel, teapot

GARDEN = bokeh(0x16300C, 0x7FA048, 40)
WALL = gradient(0xA89C88, 0xD0C8B8)
WHITE = gradient(0xE8E8E8, 0xF4F4F2)


@dataclass(frozen=True)
class Picture:
    """A scene and the width and height of its photograph."""

    scene: Callable[[], Scene]
    size: tuple[int, int] = (320, 320)


def _lemons() -> Scene:
    """Two lemons on a blue cloth."""
    front = lemon(Pose(0.0, 0.0, 0.35, ((1, 0.5), (2, 0.15))))
    behind = lemon(Pose(0.75, -0.05, -1.35, ((1, -0.9), (2, -0.1))), patches=0xD8D048)
    camera = Camera((0.3, 1.9, 4.4), (0.15, -0.1, 0), 2.7, blur=0.03)
    return Scene(
        front + behind, camera, gradient(0x3A5068, 0x6A86A0), ground=cloth(0x5A7896), level=-0.8, radius=2.6
    )


def _oranges() -> Scene:
    """An orange before two others, on a wooden table."""
    front = orange(Pose(-0.15, 0, 0.3, ((0, 0.6), (2, -0.3))))
    others = orange(Pose(1.2, 0, -1.5, ((0, 1.2),))) + orange(Pose(-1.35, 0, -1.7, ((2, 1.0),)))
    camera = Camera((0.2, 1.7, 4.6), (0, -0.15, 0), 2.7, blur=0.05)
    return Scene(front + others, camera, gradient(0x2A1A10, 0x57402A), ground=wood(), level=-0.96, radius=3.0)


def _bananas() -> Scene:
    """Two bananas on a white table."""
    turns = ((0, -1.25), (1, 0.3))
    pair = banana(Pose(0, 0, 0.25, turns)) + banana(Pose(0.1, 0.03, -0.35, ((0, -0.95), (1, 0.36))))
    return Scene(
        pair, Camera((0.3, 2.9, 4.2), (0, -0.1, 0), 3.8), WHITE, ground=paper(), level=-0.42, haze=0.15
    )


def _bell_peppers() -> Scene:
    """A red bell pepper before a green and a yellow one."""
    red = bell_pepper(Pose(0, 0, 0.5, ((1, 0.3), (2, -0.15))))
    green = bell_pepper(Pose(-1.35, -0.05, -1.1, ((1, 1.0), (2, 0.2))), 0x2C5E10, 0x3E7A18)
    yellow = bell_pepper(Pose(1.35, -0.05, -1.1, ((1, 2.0),)), 0xE8A808, 0xF0B818)
    camera = Camera((0.3, 2.0, 4.6), (0, -0.05, 0), 2.5, blur=0.03)
    return Scene(red + green + yellow, camera, WHITE, ground=paper(), level=-0.9, radius=3.0, haze=0.05)


def _mushrooms() -> Scene:
    """Two fly agarics on a forest floor."""
    pair = mushroom(Pose(-0.2, 0, 0.2)) + mushroom(Pose(1.25, -0.5, -0.9, ((2, -0.1),), 0.5), dome=0.8)
    camera = Camera((0.3, 0.9, 4.4), (0.05, -0.2, 0), 2.8, blur=0.06)
    return Scene(pair, camera, bokeh(0x0C1806, 0x50702A), ground=litter(), radius=2.2, haze=0.05)


def _ladybug() -> Scene:
    """A ladybug on a leaf."""
    camera = Camera((0.6, 2.2, 4.4), (0.1, 0, 0), 2.9, blur=0.06)
    leaf = lawn(0x2F5A14, 0x6FA030, 3)
    return Scene(ladybug(Pose(turns=((1, 0.6),))), camera, GARDEN, ground=leaf, level=-0.35, haze=0.05)


def _goldfish() -> Scene:
    """A goldfish in dark water."""
    camera = Camera((0, 0.3, 4.4), (-0.35, 0, 0), 3.1)
    return Scene(goldfish(Pose(turns=((1, 0.3),))), camera, bokeh(0x04141C, 0x2A6A80, 20))


def _teapot() -> Scene:
    """A brown teapot on a wooden table."""
    camera = Camera((0, 1.3, 4.4), (0.02, 0.12, 0), 2.9, blur=0.03)
    return Scene(teapot(Pose(turns=((1, 0.35),))), camera, WALL, ground=wood(), level=-0.68, haze=0.05)


def _pretzel() -> Scene:
    """A soft pretzel on a linen cloth."""
    camera = Camera((0, 3.6, 2.5), (0, 0, -0.08), 2.9)
    return Scene(pretzel(Pose(turns=((1, 0.15),))), camera, WHITE, ground=cloth(0xC8BCA4), level=-0.2)


def _computer_keyboard() -> Scene:
    """A white computer keyboard on a desk."""
    camera = Camera((0, 2.3, 2.3), (0.1, 0, 0), 2.6, blur=0.03)
    keys = keyboard(Pose(turns=((1, -0.35),)))
    return Scene(keys, camera, WHITE, ground=wood(0x6A4428), level=-0.18, radius=2.4)


def _abacus() -> Scene:
    """A wooden abacus with coloured beads."""
    camera = Camera((0, 0.6, 4.7), zoom=3.2, blur=0.03)
    return Scene(abacus(Pose(turns=((1, -0.35),))), camera, WALL, ground=wood())


def _ipod() -> Scene:
    """A white music player on a desk."""
    camera = Camera((0, 3.6, 2.2), zoom=3.5)
    return Scene(ipod(Pose(turns=((1, -0.4),))), camera, WHITE, ground=wood(0x7A5030), level=-0.15)


def _candle() -> Scene:
    """A burning candle in the dark."""
    night = Light(
        (-0.3, 0.3, 0.9), vector(0.06, 0.05, 0.04), vector(0.03, 0.02, 0.02), vector(0.05, 0.02, 0.01)
    )
    lights = bokeh(0x0A0402, 0xC86414, 25)
    camera = Camera((0, 0.6, 4.7), (0, -0.3, 0), 3.7, blur=0.03)
    return Scene(
        candle(Pose()), camera, lights, night, _lit_by_candle(wood(0x6A3A1C)), level=-1.5, radius=1.9
    )


def _lit_by_candle(table: Material) -> Material:
    """The table, lit around its centre only."""

    def colour(points: Array) -> Array:
        lit: Array = table.colour(points) * 4 * np.exp(-0.35 * length(points[::2]) ** 2)
        return lit

    return replace(table, colour=colour, glow=0.35)


def _school_bus() -> Scene:
    """A school bus on a road before trees."""
    road = paper(0x6A6A6C)
    camera = Camera((0.2, 0.6, 5.5), (0.15, -0.05, 0), 4.3, blur=0.04)
    return Scene(
        school_bus(Pose(turns=((1, 0.75),))), camera, GARDEN, ground=road, level=-0.62, haze=0.02, radius=1.8
    )


def _beacon() -> Scene:
    """A lighthouse on a rock."""
    camera = Camera((0.2, -0.6, 5.5), (0, 0, 0), 3.5)
    return Scene(
        lighthouse(Pose(0, -0.1)), camera, sky(clouds=0.45), ground=sea(), level=-1.3, radius=2.3, haze=0.02
    )


def _water_tower() -> Scene:
    """A water tower seen from the ground."""
    return Scene(
        water_tower(Pose(0, -0.1)), Camera((0.2, -1.2, 5.5), (0, -0.15, 0), 3.8), sky(clouds=0.4), radius=1.8
    )


def _picket_fence() -> Scene:
    """A white picket fence along a garden."""
    camera = Camera((0.2, 0.5, 4.0), (0, -0.05, 0), 2.7, blur=0.06)
    fence = picket_fence(Pose(turns=((1, -0.4),)))
    return Scene(fence, camera, GARDEN, ground=lawn(), level=-0.8, haze=0.02, radius=3.2)


PICTURES = {
    "abacus": Picture(_abacus, (340, 300)),
    "banana": Picture(_bananas, (360, 280)),
    "beacon": Picture(_beacon, (280, 360)),
    "bell_pepper": Picture(_bell_peppers),
    "candle": Picture(_candle, (280, 360)),
    "computer_keyboard": Picture(_computer_keyboard, (360, 280)),
    "goldfish": Picture(_goldfish, (340, 300)),
    "ipod": Picture(_ipod, (300, 340)),
    "ladybug": Picture(_ladybug),
    "lemon": Picture(_lemons),
    "mushroom": Picture(_mushrooms, (300, 340)),
    "orange": Picture(_oranges),
    "picket_fence": Picture(_picket_fence, (360, 280)),
    "pretzel": Picture(_pretzel, (340, 300)),
    "school_bus": Picture(_school_bus, (340, 280)),
    "teapot": Picture(_teapot, (340, 300)),
    "water_tower": Picture(_water_tower, (280, 360)),
}
"""By class, which is also the file's stem."""
