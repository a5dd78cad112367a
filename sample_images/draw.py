#!/usr/bin/env python3
"""Draw the sample images in this folder. They are computed, not photographed, so they need no licence.

    python sample_images/draw.py [NAME...]

NAME is a class, `labelled` or `odd`; without it, everything is drawn. The same versions of Pillow and NumPy write the same
bytes.
"""

import sys
from pathlib import Path

from drawing.film import photograph
from drawing.labelled import KINDS, NUMBER, draw_labelled_picture
from drawing.odd import write_animated, write_grey16, write_rotated, write_transparent
from drawing.paintings import PAINTINGS, photograph_painting
from drawing.scenes import PICTURES

HERE = Path(__file__).resolve().parent
QUALITY = 88


def draw_classes(names: set[str]) -> None:
    """One picture per class: <class>.jpg."""
    for seed, (name, picture) in enumerate(PICTURES.items()):
        if name in names:
            photograph(picture.scene(), picture.size, seed).save(HERE / f"{name}.jpg", quality=QUALITY)
    for seed, (name, (painter, size)) in enumerate(PAINTINGS.items()):
        if name in names:
            photograph_painting(painter, size, seed).save(HERE / f"{name}.jpg", quality=QUALITY)


def draw_labelled() -> None:
    """A labelled folder of small pictures: labelled/<class>/NN.jpg."""
    for name in KINDS:
        folder = HERE / "labelled" / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(NUMBER):
            draw_labelled_picture(name, number).save(folder / f"{number:02}.jpg", quality=QUALITY)


def draw_odd() -> None:
    """Image files that need special handling: odd/."""
    folder = HERE / "odd"
    folder.mkdir(exist_ok=True)
    write_rotated(folder / "rotated.jpg", QUALITY)
    write_transparent(folder / "transparent.png")
    write_grey16(folder / "grey16.png")
    write_animated(folder / "animated.gif")


def main() -> None:
    """Draw the named pictures, or everything."""
    known = {*PICTURES, *PAINTINGS, "labelled", "odd"}
    names = set(sys.argv[1:]) or known
    if unknown := sorted(names - known):
        raise SystemExit(f"unknown: {', '.join(unknown)}; choose from {', '.join(sorted(known))}")
    draw_classes(names)
    if "labelled" in names:
        draw_labelled()
    if "odd" in names:
        draw_odd()


if __name__ == "__main__":
    main()
