"""An epoch of training compared with its floor, and with a plain loop with timm.

    python -m benchmarks.training DATA

DATA has train/ and val/ with a folder for each class. The floor is forward, backward and optimiser step over batches that
are already in memory, with the memory layout and precision that cnncli chose and torch's default AdamW; its epochs alternate
with cnncli's in one process, and the ratio is the median over the pairs. The plain loop uses timm's network and transforms
and torch's DataLoader with two workers, eager, NCHW, fp32, and decodes every image in every epoch; it is a process of its
own, of which the fastest epoch counts. From random weights, AdamW, batch size 32.
"""

import json
import statistics
import sys
from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import run

ROUNDS = 3
NETWORKS = (("resnet18", 224, 5), ("mobilenetv3_small_100", 128, 22))
"""Name, image size in pixels, and epochs."""


def main() -> None:
    """Measure and write the section."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    data = sys.argv[1]
    rows = [_row(name, size, epochs, data) for name, size, epochs in NETWORKS]
    header = ("network", "layout and precision", "img/s", "epoch / floor", "plain loop's epoch / epoch")
    publish(
        "training",
        "An epoch of training",
        f"{table(header, rows)}\n\nOn {Path(data).name}; medians over all pairs of epochs, and over {ROUNDS} rounds for the "
        "plain loop. Targets: at most 1.1 times the floor, and at least 1.5 times as fast as the plain loop.",
        ("DATA",),
    )


def _row(name: str, size: int, epochs: int, data: str) -> list[str]:
    to_floor: list[float] = []
    to_loop, rates, variant = [], [], ""
    for _ in range(ROUNDS):
        arguments = [name, str(size), str(epochs), data]
        pairs = json.loads(run(["-m", "benchmarks.training_pairs", *arguments]).stdout)
        loop = float(run(["-m", "benchmarks.peers.timm_training", name, str(size), "32", data]).stdout)
        variant, fastest = pairs["variant"], min(pairs["ours"])
        to_floor += [ours / bare for ours, bare in zip(pairs["ours"], pairs["bare"], strict=True)]
        to_loop.append(loop / fastest)
        rates.append(pairs["images"] / fastest)
    ratios = f"{statistics.median(to_floor):.2f}", f"{statistics.median(to_loop):.2f}"
    return [f"{name}, {size} px", variant, f"{statistics.median(rates):.0f}", *ratios]


if __name__ == "__main__":
    main()
