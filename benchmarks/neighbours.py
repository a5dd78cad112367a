"""The nearest of a million images: `cnncli similar` in a file of features as large as that.

python -m benchmarks.neighbours
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.results import publish
from benchmarks.timing import in_turn, run, seconds

IMAGES, NUMBERS, ROUNDS = 1_000_000, 512, 3
NETWORK = ("-m", "resnet18", "--no-pretrained")
"""With random weights, since only how many numbers it gives matters."""
QUERY = str(Path(__file__).parents[1] / "sample_images" / "lemon.jpg")
FLOOR = """
import sys
import numpy
vectors = numpy.load(sys.argv[1])["embeddings"]
numpy.argpartition(vectors @ vectors[0], 5)
"""
"""What cannot be spared: reading the numbers, and multiplying each by the query's."""


def main() -> None:
    """Measure, and write the section."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few.npz"), Path(folder, "many.npz")
        run(["-m", "cnncli", "features", QUERY, *NETWORK, "-o", str(few)])
        _grow(few, many)
        asked = ["similar", QUERY, "--in", str(many), *NETWORK, "-f", "json"]
        peak = int(run(["-m", "benchmarks.peers.with_peak", *asked]).said.split()[-1])
        runs = in_turn({"similar": ["-m", "cnncli", *asked], "floor": ["-c", FLOOR, str(many)]}, ROUNDS)
    size = 4 * IMAGES * NUMBERS
    took, floor = seconds(runs["similar"]), seconds(runs["floor"])
    publish(
        "neighbours",
        "The nearest of a million",
        f"One image among {IMAGES:,} with {NUMBERS} numbers each, exactly: {took:.1f} s as a whole process, {took / floor:.2f} "
        f"times what NumPy takes to read the numbers and to multiply each by the query's. At its peak it has "
        f"{peak / size:.2f} times the {size / 1e9:.2f} GB of the numbers in memory; less than 1.5 is what we want.",
        (),
    )


def _grow(few: Path, many: Path) -> None:
    """A file of features with random ones beside the real one."""
    with np.load(few) as arrays:
        held = dict(arrays)
    real = held["embeddings"]
    draws = np.random.default_rng(0)
    vectors = draws.random((IMAGES, NUMBERS), np.float32)
    vectors *= np.abs(real).mean() * 2
    vectors[0] = real[0]
    paths = np.array([str(held["paths"][0]), *(f"{number:07}.jpg" for number in range(1, IMAGES))])
    np.savez(many, **(held | {"embeddings": vectors, "paths": paths}))


if __name__ == "__main__":
    main()
