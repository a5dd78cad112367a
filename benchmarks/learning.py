"""What courses promise of transfer and of convolution, as cnncli trains it.

    python -m benchmarks.learning ANTS_BEES WEIGHTS TINY_IMAGENET

ANTS_BEES and TINY_IMAGENET have train/ and val/ with a folder for each class; WEIGHTS are those of torchvision's
squeezenet1_0. Whole processes from a prepared network, with no feature known. Draws benchmarks/transfer.png.
"""

import csv
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.results import publish, table
from benchmarks.timing import run
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.progress import NullProgress

PICTURE = Path(__file__).with_name("transfer.png")
TEN = (
    "African_elephant",
    "banana",
    "goldfish",
    "school_bus",
    "lemon",
    "monarch",
    "orange",
    "pizza",
    "sports_car",
    "teapot",
)


@dataclass(frozen=True)
class TrainingSummary:
    """A training: what it found, the seconds of the whole process, and (seconds, accuracy) of each epoch."""

    found: dict[str, Any]
    seconds: float
    curve: Sequence[tuple[float, float]]

    @property
    def val(self) -> float:
        """Percent."""
        return 100.0 * int(self.found["val"]["right"]) / int(self.found["val"]["images"])


def main() -> None:
    """Train everything, and write the section."""
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    ants_bees, weights, tiny = (str(Path(argument).resolve()) for argument in sys.argv[1:])
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])  # for the peers, from wherever
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        body = "\n\n".join([_transfer(ants_bees, Path(weights)), _digits(), _course_net(Path(tiny))])
    publish("learning", "What courses promise", body, ("ANTS_BEES", "WEIGHTS", "TINY_IMAGENET"))


def taught(*arguments: str, peer: Sequence[str] = ("-m", "cnncli")) -> TrainingSummary:
    """A training."""
    done = run([*peer, "finetune", *arguments, "-f", "json"])
    found = json.loads(done.printed)
    epochs = found["epochs"]
    clock = done.seconds - sum(epoch["seconds"] for epoch in epochs)
    curve = []
    for epoch in epochs:
        clock += epoch["seconds"]
        curve.append((clock, epoch["val_top1"]))
    return TrainingSummary(
        found, done.seconds, curve or [(done.seconds, found["val"]["right"] / found["val"]["images"])]
    )


def _transfer(data: str, weights: Path) -> str:
    folder = str(prepare(Reference("squeezenet1_0", weights), NullProgress()).path)
    fresh = ("-m", "benchmarks.peers.fresh_home")
    ways = {
        "`features`": taught(data, "-m", folder, "--tune", "features", peer=fresh),
        "`head`": taught(data, "-m", folder, "--tune", "head"),
        "`last:3`": taught(data, "-m", folder, "--tune", "last:3"),
        "`full`": taught(data, "-m", folder, "--tune", "full", peer=fresh),
        "`scratch`, 30 epochs": taught(data, "-m", "squeezenet1_0", "--tune", "scratch", "--lr", "0.0002"),
    }
    _draw(ways)
    rows = [
        [name, f"{way.val:.1f} %", f"{len(way.found['epochs']) or ''}", f"{way.seconds:.0f} s"]
        for name, way in ways.items()
    ]
    return (
        f"**Transfer**: SqueezeNet 1.0 on {Path(data).name}.\n\n{table(('--tune', 'best on val', 'epochs', 'time'), rows)}\n\n"
        "![accuracy over time](transfer.png)"
    )


def _digits() -> str:
    rows = []
    for shift in (0, 4):
        data = f"digits-{shift}"
        run(["-m", "cnncli", "datasets", "get", "digits", data, "--shift", str(shift)])
        found = [
            taught(
                data, "-m", name, "--tune", "scratch", "--epochs", "20", "--augment", "none", "--lr", "0.002"
            )
            for name in ("lenet5", "mlp")
        ]
        rows.append(
            [f"moved by up to {shift} pixels", *(f"{way.val:.1f} %, {way.seconds:.0f} s" for way in found)]
        )
    return (
        "**Convolution**: `digits` (1,797 images), 20 epochs without augmentation; accuracy on the fifth that was held out.\n\n"
        + table(("digits", "LeNet-5", "mlp"), rows)
    )


def _course_net(tiny: Path) -> str:
    """Ten classes of Tiny ImageNet: its val is for testing, a fifth of its train for validation, as the course does."""
    listing = Path("ten.csv")
    with listing.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path", "label", "split"))
        for name in TEN:
            files = sorted((tiny / "train" / name).iterdir())
            held = len(files) // 5
            writer.writerows(
                (file, name, "val" if place < held else "train") for place, file in enumerate(files)
            )
            writer.writerows((file, name, "test") for file in sorted((tiny / "val" / name).iterdir()))
    options = ("--tune", "scratch", "--opt", "rmsprop", "-b", "128", "--epochs", "20", "--lr", "0.0003")
    way = taught(
        str(listing),
        "-m",
        "course-cifar10",
        *options,
        "--smoothing",
        "0",
        "--sched",
        "constant",
        "--weight-decay",
        "0",
    )
    test = way.found["test"]
    return (
        "**The course's CIFAR-10 network** on ten classes of Tiny ImageNet at 32 x 32 (4,000 images to learn from, 1,000 for "
        f"validation, 500 to test): test score {way.found['test_loss']:.3f}, test accuracy "
        f"{100 * test['right'] / test['images']:.1f} %, after 20 epochs of RMSprop in {way.seconds:.0f} s. In CIFAR-10's place: "
        "`cnncli datasets get cifar10 cifar10`."
    )


def _draw(ways: dict[str, TrainingSummary]) -> None:
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for (name, way), colour in zip(
        ways.items(), ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#777777"), strict=True
    ):
        marker = "o" if len(way.curve) == 1 else None
        axes.plot(*zip(*way.curve, strict=True), label=name.replace("`", ""), color=colour, marker=marker)
    axes.set_xlabel("seconds since the command was typed")
    axes.set_ylabel("accuracy on val")
    axes.set_xscale("log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
