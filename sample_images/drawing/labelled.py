"""A labelled folder: four classes in many colours, sizes, lights and surroundings; colour alone does not tell them apart."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .arrays import vector
from .backdrops import bokeh, cloth, gradient, lawn, litter, paper, wood
from .film import photograph
from .fruit import bell_pepper, lemon, mushroom, orange
from .rendering import Backdrop, Camera, Light, Material, Pose, Scene, Solid

SIZE = (128, 128)
NUMBER = 24
"""Pictures per class."""
PAIRS = 0.4
"""The share of pictures with a second object of the class."""


@dataclass(frozen=True)
class Kind:
    """What the pictures of a class have in common."""

    make: Callable[[Pose, tuple[int, int], np.random.Generator], list[Solid]]
    colours: tuple[tuple[int, int], ...]
    """Pairs: the skin's colour, and that of its patches."""
    level: float
    """Height of the ground, relative to the object's centre."""
    lean: float
    """The largest tilt, in radians."""


KINDS = {
    "bell_pepper": Kind(
        lambda pose, codes, _: bell_pepper(pose, *codes),
        ((0xC81810, 0xD83018), (0x2C5E10, 0x3E7A18), (0xE8A808, 0xF0B818), (0xE06008, 0xEC7A10)),
        level=-0.9,
        lean=0.2,
    ),
    "lemon": Kind(
        lambda pose, codes, _: lemon(pose, *codes),
        ((0xF5C800, 0xF2DC3C), (0xE8B000, 0xF0C020), (0xC8C020, 0xE8D030), (0xE89A08, 0xF0B020)),
        level=-0.78,
        lean=0.7,
    ),
    "mushroom": Kind(
        lambda pose, codes, rng: mushroom(pose, *codes, float(rng.integers(2)), rng.uniform(0.45, 0.85)),
        (
            (0xB8200C, 0xC03010),
            (0xB0702C, 0x90501C),
            (0xE0D0B0, 0xC8B490),
            (0xD89818, 0xC88010),
            (0xD05010, 0xD86820),
        ),
        level=-1.0,
        lean=0.2,
    ),
    "orange": Kind(
        lambda pose, codes, _: orange(pose, *codes),
        ((0xE85C00, 0xF07408), (0xE87A08, 0xF09820), (0xD8A010, 0xE88A10), (0xC84008, 0xE05808)),
        level=-0.95,
        lean=0.7,
    ),
}
"""By class, which is also the folder's name."""


def draw_labelled_picture(name: str, number: int) -> Image.Image:
    """One picture of a class, determined by its number."""
    seed = 1000 * sorted(KINDS).index(name) + number
    return photograph(_scene(KINDS[name], np.random.default_rng(seed)), SIZE, seed, grain=0.02)


def _scene(kind: Kind, rng: np.random.Generator) -> Scene:
    """One or two objects of a class in random surroundings and light."""
    solids = _thing(kind, rng, rng.uniform(-0.25, 0.25), 0.0)
    if rng.random() < PAIRS:
        solids += _thing(kind, rng, float(rng.choice([-1.5, 1.5])), -rng.uniform(0.8, 1.6))
    backdrop, ground = _surroundings(rng)
    return Scene(solids, _camera(rng), backdrop, _light(rng), ground, kind.level, radius=3.0, haze=0.05)


def _thing(kind: Kind, rng: np.random.Generator, x: float, z: float) -> list[Solid]:
    """An object of a class in a random colour and orientation."""
    codes = kind.colours[rng.integers(len(kind.colours))]
    lean = kind.lean
    turns = ((1, rng.uniform(0, 2 * np.pi)), (0, rng.uniform(-lean, lean)), (2, rng.uniform(-lean, lean)))
    return kind.make(Pose(x, 0, z, turns), codes, rng)


def _camera(rng: np.random.Generator) -> Camera:
    """A random height, distance and direction; the object is not always centred."""
    height = rng.uniform(0.7, 3.0)
    place = (rng.uniform(-1, 1), height, float(np.sqrt(22 - height**2)))
    target = (rng.uniform(-0.35, 0.35), rng.uniform(-0.2, 0.2), 0.0)
    return Camera(place, target, rng.uniform(1.7, 3.4), blur=rng.uniform(0, 0.06))


def _light(rng: np.random.Generator) -> Light:
    """Random direction, colour temperature and brightness."""
    brightness, warmth = np.float32(rng.uniform(0.55, 1.25)), rng.uniform(-0.25, 0.25)
    tint = vector(1.65 * (1 + warmth), 1.6, 1.55 * (1 - warmth)) * brightness
    sun = (rng.uniform(-1, 1), rng.uniform(0.4, 1.0), rng.uniform(-0.2, 0.8))
    return Light(sun, tint, vector(0.36, 0.38, 0.42) * brightness, softness=rng.uniform(4, 16))


def _surroundings(rng: np.random.Generator) -> tuple[Backdrop, Material]:
    """A table, a cloth, a lawn or a forest floor, and the backdrop behind it."""
    choices = (
        (gradient(0xE8E8E8, 0xF4F4F2), paper()),
        (gradient(0x2A1A10, 0x57402A), wood()),
        (gradient(0xA89C88, 0xD0C8B8), wood(0xC08A4A)),
        (gradient(0x3A5068, 0x6A86A0), cloth(0x5A7896)),
        (gradient(0x602020, 0x803030), cloth(0x9A3030)),
        (gradient(0xB8B49A, 0xD8D2B8), cloth(0xD8C890)),
        (gradient(0x101010, 0x202022), paper(0x28282A)),
        (bokeh(0x16300C, 0x7FA048), lawn()),
        (bokeh(0x0C1806, 0x50702A), litter()),
    )
    return choices[rng.integers(len(choices))]
