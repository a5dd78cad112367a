"""How time and memory grow with the number of images: predict, features, check and evaluate on 10,000 and on 100,000 small images.

python -m benchmarks.growth
"""

import functools
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks.results import publish, table
from benchmarks.timing import Command, run

FEW, MANY = 10_000, 100_000
SIDE = 48
"""Pixels of a side: as small as images are, so that what is done once per image, apart from decoding, has weight."""

Draw = Callable[[np.random.Generator], Image.Image]


def main() -> None:
    """Measure and write the section."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        commands = {}
        for count in (FEW, MANY):
            noise = _write_images(root / f"noise-{count}", count, _noise)
            digits = _write_images(root / f"digits-{count}", count, _digit)
            commands[count] = _commands(noise, digits, root)
        run(["-m", "cnncli", "pull", "pocket"])
        rows = [_row(name, {count: commands[count][name] for count in commands}) for name in commands[FEW]]
    publish(
        "growth",
        "How time and memory grow",
        f"Whole processes on {FEW:,} and on {MANY:,} images of {SIDE} x {SIDE} pixels in two class folders, with pocket; one run "
        f"each. The images are noise; those of the last row are {len(_digits()):,} handwritten digits on a black margin, rotated "
        f"and shifted, which are much more alike than photographs. Where time grew in proportion to the images, the exponent "
        f"would be 1; start-up, which does not grow, makes it less. Target: at most 1.05. Memory is the peak of the process: per "
        f"image, predict keeps nothing, features the path, evaluate the path and scores, check the path, header, digest and a "
        f"fingerprint of 785 bytes, since it compares all images.\n\n"
        + table(
            (
                "command",
                f"{FEW:,} images",
                f"{MANY:,} images",
                "exponent",
                f"memory, {FEW:,}",
                f"memory, {MANY:,}",
                "bytes per additional image",
            ),
            rows,
        ),
        (),
    )


def _row(name: str, commands: Mapping[int, Command]) -> list[str]:
    runs = {count: run(command, may_fail=name.startswith("check")) for count, command in commands.items()}
    few, many = (runs[count].seconds for count in (FEW, MANY))
    less, more = (int(runs[count].stderr.split()[-1]) for count in (FEW, MANY))
    row = [
        name,
        f"{few:.1f} s",
        f"{many:.1f} s",
        f"{math.log(many / few) / math.log(MANY / FEW):.2f}",
        f"{less / 1e6:.0f} MB",
        f"{more / 1e6:.0f} MB",
        f"{(more - less) / (MANY - FEW):,.0f}",
    ]
    print(*row, sep="  ", flush=True)  # each takes minutes
    return row


def _commands(noise: Path, digits: Path, root: Path) -> dict[str, Command]:
    output = str(root / "answers")
    words = {
        "predict": ["predict", str(noise), "-m", "pocket", "-o", f"{output}.csv", "--overwrite"],
        "features": ["features", str(noise), "-m", "pocket", "-o", f"{output}.npz", "--overwrite"],
        "evaluate": ["evaluate", str(noise), "-m", "pocket"],
        "check": ["check", str(noise)],
        "check, digits": ["check", str(digits)],
    }
    return {name: ["-m", "benchmarks.peers.with_peak", *command, "-q"] for name, command in words.items()}


def _write_images(folder: Path, count: int, draw: Draw) -> Path:
    """Images in the folders of two classes of pocket."""
    rng = np.random.default_rng(0)
    for number in range(count):
        file = folder / ("lemon", "orange")[number % 2] / f"{number:06}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        draw(rng).save(file)
    return folder


def _noise(rng: np.random.Generator) -> Image.Image:
    return Image.fromarray(rng.integers(256, size=(SIDE, SIDE, 3), dtype=np.uint8))


def _digit(rng: np.random.Generator) -> Image.Image:
    """A handwritten digit of scikit-learn, rotated by up to 20 degrees and shifted by up to 3 pixels."""
    originals = _digits()
    levels = originals[rng.integers(len(originals))] * 255 / _DIGIT_LEVELS
    digit = Image.fromarray(levels.astype(np.uint8)).resize((SIDE // 2, SIDE // 2), Image.Resampling.BILINEAR)
    image = Image.new("L", (SIDE, SIDE))
    image.paste(digit.rotate(rng.uniform(-20, 20)), tuple(SIDE // 4 + rng.integers(-3, 4, size=2)))
    return image


_DIGIT_LEVELS = 16
"""The largest value of a pixel in scikit-learn's digits."""


@functools.cache
def _digits() -> NDArray[np.float64]:
    """Images of 8 x 8 pixels."""
    return np.asarray(load_digits().images)


if __name__ == "__main__":
    main()
