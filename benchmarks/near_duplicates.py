"""Near duplicates among many images: how long the search takes beside computing the embeddings, and among many embeddings.

    python -m benchmarks.near_duplicates IMAGES [--embeddings N...]

IMAGES is a folder of photographs, such as those of Tiny ImageNet; `cnncli similar --duplicates` runs on it without cached embeddings
and then with them. The search for pairs alone is measured on random embeddings around 1,000 centres, with planted pairs.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import publish, table
from benchmarks.timing import Run, run
from cnncli.engines.cores import usable_cores
from cnncli.retrieval.candidates import Pairs, cosine_distances, near_pairs

DIMENSIONS, CENTRES, PLANTED = 1280, 1000, 1000
SPREAD, CHANGE = 0.9, 1.1
"""Deviation of embeddings from their centre, and of the second of a planted pair from the first, in those of the centres."""
BLOCK = 10_000
MOST = 1.5
"""The target: time with the embeddings over time for them alone."""


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("--embeddings", type=int, nargs="*", default=[50_000, 100_000, 200_000])
    arguments = parser.parse_args()
    first, again = _run_twice(arguments.images)
    images = sum(file.is_file() for file in arguments.images.rglob("*"))
    ratio = first.seconds / (first.seconds - again.seconds)
    rows = [_measure_search(count) for count in arguments.embeddings]
    header = ("embeddings", "time", "pairs per embedding", "planted pairs found", "their cosine distance")
    publish(
        "near_duplicates",
        "Near duplicates among many images",
        f"`cnncli similar --duplicates` on {images:,} images: {first.seconds:,.0f} s, of which {again.seconds:,.0f} s again with "
        f"cached embeddings: {ratio:.2f} times as long as computing the embeddings. Target: at most {MOST:g}. "
        f"{first.stderr.strip().splitlines()[-1]}.\n\n"
        f"The search for pairs alone, among random embeddings of size {DIMENSIONS:,}:\n\n{table(header, rows)}",
        ("IMAGES",),
    )


def _run_twice(images: Path) -> tuple[Run, Run]:
    """The command without cached embeddings, and with them."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "CNNCLI_HOME": home}
        run(["-m", "cnncli", "pull", "tf_efficientnet_lite0"], environment=environment)
        command = ["-m", "cnncli", "similar", "--duplicates", str(images), "-f", "json"]
        return run(command, environment=environment), run(command, environment=environment)


def _measure_search(count: int) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as folder:
        vectors, planted = _embeddings(count, Path(folder, "embeddings"))
        start = time.perf_counter()
        pairs = near_pairs(vectors, None, usable_cores())
        seconds = time.perf_counter() - start
        distance = float(np.median(cosine_distances(vectors, vectors, Pairs(*planted.T))))
    found = np.isin(planted @ [count, 1], pairs.first * count + pairs.second).mean()
    return (
        f"{count:,}",
        f"{seconds:.0f} s",
        f"{len(pairs.first) / count:.1f}",
        f"{found:.1%}",
        f"{distance:.2f}",
    )


def _embeddings(count: int, file: Path) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Memory-mapped embeddings (N, D), and rows of planted pairs (P, 2)."""
    draws = np.random.default_rng(0)
    centres = draws.normal(size=(CENTRES, DIMENSIONS)).astype(np.float32)
    vectors = np.memmap(file, np.float32, "w+", shape=(count, DIMENSIONS))
    for start in range(0, count, BLOCK):
        block = vectors[start : start + BLOCK]
        noise = draws.normal(size=block.shape).astype(np.float32)
        block[:] = np.maximum(centres[draws.integers(0, CENTRES, len(block))] + SPREAD * noise, 0)
    planted = np.sort(draws.choice(count, (PLANTED, 2), replace=False), axis=1)
    change = CHANGE * draws.normal(size=(PLANTED, DIMENSIONS)).astype(np.float32)
    vectors[planted[:, 1]] = np.maximum(vectors[planted[:, 0]] + change * vectors.std(), 0)
    return vectors, planted


if __name__ == "__main__":
    main()
