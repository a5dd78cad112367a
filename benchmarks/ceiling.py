"""Throughput of `predict` as a share of the ceiling set by decoding and the engine.

    python -m benchmarks.ceiling PHOTOGRAPHS

One image takes `d` seconds of one core to decode and preprocess, and `e` seconds of the engine on all cores; both are
measured alone in the same run. Cores that never wait therefore process `1 / (d / cores + e)` images per second. cnncli's
throughput is that of the whole process without its start-up, which is measured with one photograph in the same round.
"""

import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks import photographs
from benchmarks.bulk import NETWORKS, predict_command
from benchmarks.networks import Network, load_network
from benchmarks.results import publish, table
from benchmarks.timing import median_seconds, run_alternately
from cnncli.engines.cores import usable_cores
from cnncli.engines.onnx import OnnxEngine
from cnncli.images.loader import ImageReader
from cnncli.images.local_file import LocalFile
from cnncli.networks.model_folder import open_folder
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.predictions import Unreadable

IMAGES, ROUNDS = 500, 5
TIMED_IMAGES, TIMED_BATCHES = 200, 10


def ceiling(network: Network, images: Path) -> float:
    """Images per second that decoding, spread over all cores, and the engine allow together."""
    folder = open_folder(network.folder)
    engine = OnnxEngine(network.folder / "model.onnx")
    read = ImageReader(folder.card.preprocessing, MAX_PIXELS)
    sources = [LocalFile(str(file)) for file in sorted(images.iterdir())[:TIMED_IMAGES]]
    start = time.perf_counter()
    arrays = [array for array in map(read, sources) if not isinstance(array, Unreadable)]
    decoding = (time.perf_counter() - start) / len(sources)
    batch = np.stack(arrays[: engine.batch_size])
    engine.run(batch)
    computing = []
    for _ in range(TIMED_BATCHES):
        start = time.perf_counter()
        engine.run(batch)
        computing.append((time.perf_counter() - start) / len(batch))
    return 1 / (decoding / usable_cores() + statistics.median(computing))


def measure_throughput(network: Network, source: Path) -> tuple[float, float]:
    """cnncli's images per second, and their share of the ceiling: medians over the rounds."""
    images = photographs.copies(source, IMAGES)
    commands = {
        "one": predict_command(network, next(images.iterdir())),
        "all": predict_command(network, images),
    }
    rates, shares = [], []
    for _ in range(ROUNDS):
        limit = ceiling(network, images)
        runs = run_alternately(commands, 1, warm_up=False)
        rates.append((IMAGES - 1) / (median_seconds(runs["all"]) - median_seconds(runs["one"])))
        shares.append(rates[-1] / limit)
    return statistics.median(rates), statistics.median(shares)


def main() -> None:
    """Measure and write the section."""
    source = photographs.parse_arguments(__doc__)
    rows = []
    for name in NETWORKS:
        rate, share = measure_throughput(load_network(name, source), source)
        rows.append([name, f"{rate:.1f}", f"{share:.2f}"])
    publish(
        "ceiling",
        "Throughput and its ceiling",
        "The ceiling is `1 / (d / cores + e)` images per second: `d` seconds of one core to decode and preprocess one image, "
        f"`e` seconds of the engine on all cores for one image of a batch. {IMAGES} photographs, medians of {ROUNDS} rounds, "
        "without cnncli's start-up, which is measured with one photograph in the same round. Target: at least 0.85.\n\n"
        f"{table(('network', 'images per second', 'share of the ceiling'), rows)}",
    )


if __name__ == "__main__":
    main()
