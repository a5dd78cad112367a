"""Many photographs, beside the ceiling that decoding and the engine allow.

    python -m benchmarks.ceiling PHOTOGRAPHS

One image costs `d` seconds of one core to decode and prepare and `e` seconds of the engine on all cores, both measured
alone in the same run, so `cores` of them that never wait do `1 / (d / cores + e)` images a second. cnncli's rate is that
of the whole process less its start, the cold start of one photograph being measured in the same rounds.
"""

import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks import stage
from benchmarks.bulk import MAIN, command
from benchmarks.results import publish, table
from benchmarks.timing import in_turn, seconds
from cnncli.engines.engine import Engine, usable_cores
from cnncli.engines.onnx import OnnxEngine
from cnncli.images.decode import MAX_PIXELS
from cnncli.images.loader import Reader
from cnncli.images.local_file import LocalFile
from cnncli.networks.model_folder import open_folder
from cnncli.records.predictions import Unreadable

CEILING_IMAGES = 500
CEILING_ROUNDS = 5


def ceiling(network: stage.Network, images: Path) -> float:
    """Images a second that decoding, spread over the cores, and the engine allow together."""
    folder = open_folder(network.folder)
    engine: Engine = OnnxEngine(network.folder / "model.onnx")
    read = Reader(folder.card.preprocessing, MAX_PIXELS)
    files = [LocalFile(str(file)) for file in sorted(images.iterdir())[:200]]
    start = time.perf_counter()
    planes = [plane for plane in map(read, files) if not isinstance(plane, Unreadable)]
    decoding = (time.perf_counter() - start) / len(files)
    batch = np.stack(planes[: engine.batch_size])
    engine.run(batch)
    computing = []
    for _ in range(10):
        start = time.perf_counter()
        engine.run(batch)
        computing.append((time.perf_counter() - start) / len(batch))
    return 1 / (decoding / usable_cores() + statistics.median(computing))


def share_of_ceiling(network: stage.Network, source: Path) -> tuple[float, float]:
    """cnncli's rate in images a second, and its share of the ceiling: medians over the rounds."""
    images = stage.photographs(source, CEILING_IMAGES)
    one = command(network, next(images.iterdir()))
    rates, shares = [], []
    for _ in range(CEILING_ROUNDS):
        possible = ceiling(network, images)
        runs = in_turn({"one": one, "all": command(network, images)}, 1, warm_up=False)
        rates.append((CEILING_IMAGES - 1) / (seconds(runs["all"]) - seconds(runs["one"])))
        shares.append(rates[-1] / possible)
    return statistics.median(rates), statistics.median(shares)


def main() -> None:
    """Measure, and write the section."""
    source = stage.arguments(__doc__)
    rows = []
    for name in MAIN:
        rate, share = share_of_ceiling(stage.network(name, source), source)
        rows.append([name, f"{rate:.1f}", f"{share:.2f}"])
    publish(
        "ceiling",
        "Bulk: the ceiling",
        f"The ceiling is `1 / (d / cores + e)` images a second: `d` seconds of one core to decode and prepare one image, "
        f"`e` seconds of the engine for one image of a batch on all cores. {CEILING_IMAGES} photographs, medians of "
        f"{CEILING_ROUNDS} rounds; cnncli's start, measured with one photograph in the same round, is left aside. At "
        f"least 0.85 is what we want.\n\n{table(('network', 'images a second', 'share of the ceiling'), rows)}",
    )


if __name__ == "__main__":
    main()
