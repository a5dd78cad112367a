"""How time grows with the number of images: predict, features, check and evaluate on 1,000 and on 10,000 small images.

python -m benchmarks.growth
"""

import math
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.results import publish, table
from benchmarks.timing import Command, run

FEW, MANY, ROUNDS = 1_000, 10_000, 3
SIDE = 48
"""Pixels of a side: as small as images are, so that what is done once per image, apart from decoding, has weight."""


def main() -> None:
    """Measure and write the section."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        commands = {count: _commands(_write_images(root / str(count), count), root) for count in (FEW, MANY)}
        run(commands[FEW]["predict"])  # prepares the network
        rows = [_row(name, {count: commands[count][name] for count in commands}) for name in commands[FEW]]
    publish(
        "growth",
        "How time grows",
        f"Whole processes on {FEW:,} and on {MANY:,} images of {SIDE} x {SIDE} pixels in two class folders, with pocket; "
        f"medians of {ROUNDS}. Where time grew in proportion to the images, the exponent would be 1; start-up, which does not "
        f"grow, makes it less. Target: at most 1.05.\n\n"
        + table(("command", f"{FEW:,} images", f"{MANY:,} images", "exponent"), rows),
        (),
    )


def _row(name: str, commands: Mapping[int, Command]) -> list[str]:
    few, many = (
        statistics.median(run(commands[count], may_fail=True).seconds for _ in range(ROUNDS))
        for count in (FEW, MANY)
    )
    exponent = math.log(many / few) / math.log(MANY / FEW)
    return [name, f"{few:.1f} s", f"{many:.1f} s", f"{exponent:.2f}"]


def _commands(data: Path, root: Path) -> dict[str, Command]:
    output = str(root / "answers")
    words = {
        "predict": [str(data), "-o", f"{output}.csv", "--overwrite"],
        "features": [str(data), "-o", f"{output}.npz", "--overwrite"],
        "check": [str(data)],
        "evaluate": [str(data)],
    }
    model = ("-m", "pocket")
    return {
        name: ["-m", "cnncli", name, *arguments, *(() if name == "check" else model), "-q"]
        for name, arguments in words.items()
    }


def _write_images(folder: Path, count: int) -> Path:
    """Noise in the folders of two classes of pocket."""
    rng = np.random.default_rng(0)
    for number in range(count):
        file = folder / ("lemon", "orange")[number % 2] / f"{number:06}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(256, size=(SIDE, SIDE, 3), dtype=np.uint8)).save(file)
    return folder


if __name__ == "__main__":
    main()
