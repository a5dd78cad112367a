"""An epoch of training beside the least that it can take, and beside the loop that one would write with timm.

    python -m benchmarks.training DATA

DATA has train/ and val/ with a folder for each class. The floor is forward, backward and step over batches that lie ready
in memory, in the layout and arithmetic that cnncli chose, with the optimiser as torch makes it by default; an epoch of it
and one of cnncli's take turns in one process, and the ratio is the median over the pairs. The plain loop is timm's network
and transforms, torch's DataLoader with two workers, eager, NCHW, fp32, decoding each image in each epoch: a process of its
own, of which the fastest epoch but the first counts. From random weights, AdamW, batch 32.
"""

import json
import statistics
import sys
from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import run

ROUNDS = 3
NETWORKS = (("resnet18", 224, 5), ("mobilenetv3_small_100", 128, 22))
"""Each with the side of its images in pixels, and with epochs."""


def main() -> None:
    """Measure, and write the section."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    data = sys.argv[1]
    rows = [_row(name, size, epochs, data) for name, size, epochs in NETWORKS]
    head = ("network", "chosen", "img/s", "epoch / floor", "plain loop's epoch / epoch")
    publish(
        "training",
        "An epoch of training",
        f"{table(head, rows)}\n\nOn {Path(data).name}; medians over all pairs of epochs, and over {ROUNDS} rounds for the plain loop. At most 1.1 times the floor, and "
        "at least 1.5 times as fast as the plain loop, is what we want.",
        ("DATA",),
    )


def _row(name: str, size: int, epochs: int, data: str) -> list[str]:
    above: list[float] = []
    faster, rates, chosen = [], [], ""
    for _ in range(ROUNDS):
        pairs = json.loads(
            run(["-m", "benchmarks.training_pairs", name, str(size), str(epochs), data]).printed
        )
        loop = float(run(["-m", "benchmarks.peers.timm_training", name, str(size), "32", data]).printed)
        chosen, fastest = pairs["chosen"], min(pairs["ours"])
        above += [ours / bare for ours, bare in zip(pairs["ours"], pairs["bare"], strict=True)]
        faster.append(loop / fastest)
        rates.append(pairs["images"] / fastest)
    ratios = f"{statistics.median(above):.2f}", f"{statistics.median(faster):.2f}"
    return [f"{name}, {size} px", chosen, f"{statistics.median(rates):.0f}", *ratios]


if __name__ == "__main__":
    main()
