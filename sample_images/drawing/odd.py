"""Image files that need special handling: EXIF rotation, transparency, 16 bits per channel, animation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from .film import SUPERSAMPLING, photograph
from .fruit import lemon, orange
from .rendering import Camera, Pose, Scene, expose
from .scenes import PICTURES, WHITE

ORIENTATION = 0x0112
"""EXIF tag; the value 6 means: rotate by 90 degrees clockwise."""


def write_rotated(path: Path, quality: int) -> None:
    """The lighthouse stored sideways, with the EXIF tag that rotates it."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    upright = photograph(PICTURES["beacon"].scene(), (240, 320), 61)
    upright.transpose(Image.Transpose.ROTATE_90).save(path, quality=quality, exif=exif)


def write_transparent(path: Path) -> None:
    """A lemon on a transparent background."""
    size = (256, 224)
    scene = Scene(lemon(Pose(turns=((1, 0.5), (2, 0.15)))), Camera((0.3, 1.9, 4.2), zoom=3.2), WHITE)
    picture = photograph(scene, size, 62, grain=0.006)
    solid = expose(scene, *(side * SUPERSAMPLING for side in size)).solid
    mask = Image.fromarray((solid * 255).astype(np.uint8)).resize(size, Image.Resampling.BOX)
    picture.putalpha(mask)
    picture.save(path, optimize=True)


def write_grey16(path: Path) -> None:
    """The water tower in shades of grey from 0 to 65,535."""
    colours = photograph(PICTURES["water_tower"].scene(), (180, 220), 63, grain=0.004)
    grey = np.asarray(colours, np.float64) @ [0.299, 0.587, 0.114]
    full = (grey - grey.min()) / (grey.max() - grey.min()) * 65535
    Image.fromarray(full.round().astype(np.uint16)).save(path)


def write_animated(path: Path, frames: int = 10) -> None:
    """An orange that rolls to the right."""
    pictures = []
    for frame in range(frames):
        x = -0.3 + 0.9 * frame / (frames - 1)
        ball = orange(Pose(x, 0, 0.3, ((0, 0.6), (2, -0.3 - x))))
        scene = replace(PICTURES["orange"].scene(), solids=ball)
        pictures.append(photograph(scene, (128, 128), 64, grain=0).quantize(64, dither=Image.Dither.NONE))
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, loop=0)
