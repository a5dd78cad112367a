"""A small list of images with two tasks: which colour they have, and where they are bright, which can be in several places."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from cnncli.records.list_columns import ListColumns

COLOURS = {"cold": (90, 110, 190), "green": (110, 170, 110), "warm": (190, 110, 90)}
PLACES = {"bottom": (slice(8, 16), slice(0, 16)), "left": (slice(0, 16), slice(0, 8))}

COLUMNS = ListColumns(labels=("colour", "bright"), multi_label=("bright",))
CLASSES = len(COLOURS) + len(PLACES)

NETWORK = f"input 3x12x12; activation: relu; conv3-6; conv3-8/2; FC-{CLASSES}"
DRAWN = f"input 3x12x12; activation: relu; conv3-6; dropout 0.2; conv3-8/2 batchnorm; FC-16; FC-{CLASSES}"
"""With dropout and batch normalisation."""


def write_tasks(folder: Path, counts: tuple[int, ...] = (40, 16)) -> Path:
    """Write images and their list: so many for train, val and test; every eighth has no colour, every fifth unknown places."""
    draws = np.random.default_rng(0)
    rows = []
    for split, count in zip(("train", "val", "test"), counts, strict=False):
        for number in range(count):
            colour, places = draws.choice(list(COLOURS)), [place for place in PLACES if draws.random() < 0.5]
            pixels = np.array(COLOURS[colour]) + draws.normal(0, 20, (16, 16, 3))
            for place in places:
                pixels[PLACES[place]] += 60
            path = folder / "images" / f"{split}-{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
            bright = "?" if number % 5 == 4 else "|".join(places)
            rows.append((f"images/{path.name}", "" if number % 8 == 7 else colour, bright, split))
    with (folder / "list.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "colour", "bright", "split"), *rows])
    return folder / "list.csv"
