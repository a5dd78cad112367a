"""Photographs that show several things: mosaics of 2 x 2 small images, labelled with the classes of all four.

    python -m benchmarks.mosaics TINY DEST [--train N] [--val N]

TINY is a folder of Tiny ImageNet with train/CLASS and val/CLASS; ten classes of it are used. DEST gets the mosaics and `list.csv` with
the columns path, tags and split, for `cnncli finetune DEST/list.csv --multi-label tags`. Mosaics of a split consist of images of
that split alone.
"""

import argparse
import csv
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = (
    *("abacus", "banana", "espresso", "goldfish", "jellyfish"),
    *("lemon", "monarch", "pizza", "teapot", "volleyball"),
)
SIDE, TILES = 256, 2
"""Pixels of a side of a mosaic, and images along it."""


@dataclass(frozen=True)
class Mosaic:
    """A mosaic and the names of the classes on it, each once, in order."""

    image: Image.Image
    names: tuple[str, ...]


def main() -> None:
    """Write the mosaics and their list."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tiny", type=Path)
    parser.add_argument("dest", type=Path)
    parser.add_argument("--train", type=int, default=1200)
    parser.add_argument("--val", type=int, default=300)
    options = parser.parse_args()
    write(options.tiny, options.dest, {"train": options.train, "val": options.val})


def write(tiny: Path, dest: Path, counts: Mapping[str, int]) -> Path:
    """Write so many mosaics of each split; those of test are further ones of images of val. Returns their list."""
    rows = [
        (f"{split}/{number:04d}.jpg", mosaic, split)
        for split, count in counts.items()
        for number, mosaic in enumerate(_mosaics_of(tiny, split, counts, count))
    ]
    for path, mosaic, _ in rows:
        (dest / path).parent.mkdir(parents=True, exist_ok=True)
        mosaic.image.save(dest / path, quality=95)
    with (dest / "list.csv").open("w", newline="", encoding="utf-8") as stream:
        lines = [(path, "|".join(mosaic.names), split) for path, mosaic, split in rows]
        csv.writer(stream).writerows([("path", "tags", "split"), *lines])
    return dest / "list.csv"


def _mosaics_of(tiny: Path, split: str, counts: Mapping[str, int], count: int) -> Iterator[Mosaic]:
    if split == "test":
        return itertools.islice(mosaics(tiny / "val", counts["val"] + count), counts["val"], None)
    return mosaics(tiny / split, count)


def mosaics(split: Path, count: int) -> Iterator[Mosaic]:
    """Mosaics of images drawn at random, each of a class drawn at random; always the same ones."""
    rng = np.random.default_rng(0)
    files = {name: sorted((split / name).iterdir()) for name in CLASSES}
    for _ in range(count):
        names = [CLASSES[index] for index in rng.integers(len(CLASSES), size=TILES**2)]
        tiles = [files[name][rng.integers(len(files[name]))] for name in names]
        yield Mosaic(_join(tiles), tuple(sorted(set(names))))


def _join(tiles: list[Path]) -> Image.Image:
    """The images side by side, row by row."""
    side = SIDE // TILES
    mosaic = Image.new("RGB", (SIDE, SIDE))
    for number, file in enumerate(tiles):
        row, column = divmod(number, TILES)
        with Image.open(file) as tile:
            mosaic.paste(tile.convert("RGB").resize((side, side)), (column * side, row * side))
    return mosaic


if __name__ == "__main__":
    main()
