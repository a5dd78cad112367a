"""Nearest neighbours among a million images: `cnncli similar` on a feature file of that size.

python -m benchmarks.neighbours
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.results import publish
from benchmarks.timing import median_seconds, run, run_alternately

IMAGES, DIMENSIONS, ROUNDS = 1_000_000, 512, 3
NETWORK = ("-m", "resnet18", "--no-pretrained")
"""With random weights, since only the embedding size matters."""
QUERY = str(Path(__file__).parents[1] / "sample_images" / "lemon.jpg")
FLOOR = """
import sys
import numpy
vectors = numpy.load(sys.argv[1])["embeddings"]
numpy.argpartition(vectors @ vectors[0], 5)
"""
"""The least it can take: reading the embeddings and multiplying each by the query's."""


def main() -> None:
    """Measure and write the section."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few.npz"), Path(folder, "many.npz")
        run(["-m", "cnncli", "features", QUERY, *NETWORK, "-o", str(few)])
        _write_large_file(few, many)
        arguments = ["similar", QUERY, "--in", str(many), *NETWORK, "-f", "json"]
        peak = int(run(["-m", "benchmarks.peers.with_peak", *arguments]).stderr.split()[-1])
        commands = {"similar": ["-m", "cnncli", *arguments], "floor": ["-c", FLOOR, str(many)]}
        runs = run_alternately(commands, ROUNDS)
    size = 4 * IMAGES * DIMENSIONS
    similar, floor = median_seconds(runs["similar"]), median_seconds(runs["floor"])
    publish(
        "neighbours",
        "Nearest neighbours among a million images",
        f"Exact search for one image among {IMAGES:,} embeddings of size {DIMENSIONS}: {similar:.1f} s as a whole process, "
        f"{similar / floor:.2f} times as long as NumPy takes to read the embeddings and multiply each by the query's. Peak "
        f"memory is {peak / size:.2f} times the {size / 1e9:.2f} GB of the embeddings. Target: less than 1.5.",
        (),
    )


def _write_large_file(few: Path, many: Path) -> None:
    """A feature file with the one embedding of `few` and random ones of similar size."""
    with np.load(few) as file:
        arrays = dict(file)
    query = arrays["embeddings"]
    vectors = np.random.default_rng(0).random((IMAGES, DIMENSIONS), np.float32)
    vectors *= np.abs(query).mean() * 2
    vectors[0] = query[0]
    paths = np.array([str(arrays["paths"][0]), *(f"{number:07}.jpg" for number in range(1, IMAGES))])
    np.savez(many, **(arrays | {"embeddings": vectors, "paths": paths}))


if __name__ == "__main__":
    main()
