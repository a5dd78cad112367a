"""An epoch of training beside the least that it can take, and beside the loop that one would write with timm.

    python -m benchmarks.training DATA

DATA has train/ and val/ with a folder for each class. The floor is forward, backward and step over batches that lie ready
in memory, in the layout and arithmetic that cnncli chose; the plain loop is timm's network and transforms, torch's
DataLoader with two workers, eager, NCHW, fp32, decoding each image in each epoch. From random weights, AdamW, batch 32.
Of each the fastest epoch but the first counts; all three in turn.
"""

import csv
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import run

ROUNDS = 3
NETWORKS = (("resnet18", 224), ("mobilenetv3_small_100", 128))


def main() -> None:
    """Measure, and write the section."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    data = sys.argv[1]
    rows = [_row(name, size, data) for name, size in NETWORKS]
    head = ("network", "chosen", "img/s", "epoch / floor", "plain loop's epoch / epoch")
    publish(
        "training",
        "An epoch of training",
        f"{table(head, rows)}\n\nOn {Path(data).name}; medians of {ROUNDS} rounds in turn. At most 1.1 times the floor, and "
        "at least 1.5 times as fast as the plain loop, is what we want.",
        ("DATA",),
    )


def _row(name: str, size: int, data: str) -> list[str]:
    floors, loops, rates = [], [], []
    chosen = ""
    layout = amp = "auto"
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "run"
            options = ["--tune", "scratch", "--epochs", "4", "-b", "32", "--layout", layout, "--amp", amp]
            run(
                [
                    "-m",
                    "cnncli",
                    "finetune",
                    data,
                    "-m",
                    name,
                    "--img-size",
                    str(size),
                    *options,
                    "-o",
                    str(place),
                ]
            )
            with (place / "history.csv").open() as stream:
                history = list(csv.DictReader(stream))
            images = _images(place)
            if layout == "auto":  # what it chose in the first round stays
                layout, amp = _chosen(place)
                chosen = f"{layout}, {'fp32' if amp == 'off' else amp}"
            rates.append(max(float(epoch["images_per_second"]) for epoch in history[1:]))
        facts = [name, str(size), "32"]
        floors.append(
            float(
                run(["-m", "benchmarks.peers.bare_training", *facts, str(images), "2", layout, amp]).printed
            )
        )
        loops.append(float(run(["-m", "benchmarks.peers.timm_training", *facts, data]).printed))
    epochs = [images / rate for rate in rates]
    above = statistics.median(epoch / floor for epoch, floor in zip(epochs, floors, strict=True))
    faster = statistics.median(loop / epoch for epoch, loop in zip(epochs, loops, strict=True))
    return [f"{name}, {size} px", chosen, f"{statistics.median(rates):.0f}", f"{above:.2f}", f"{faster:.2f}"]


def _images(place: Path) -> int:
    with (place / "splits.csv").open() as stream:
        return sum(row["split"] == "train" for row in csv.DictReader(stream))


def _chosen(place: Path) -> tuple[str, str]:
    import torch

    fixed = torch.load(place / "checkpoints" / "last.pt", weights_only=True)["fixed"]
    return fixed["layout"], fixed["amp"]


if __name__ == "__main__":
    main()
