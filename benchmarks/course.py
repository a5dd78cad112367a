"""Results that courses teach, reproduced with cnncli: transfer learning, convolution against an MLP, a small CNN.

    python -m benchmarks.course ANTS_BEES WEIGHTS TINY_IMAGENET

ANTS_BEES and TINY_IMAGENET have train/ and val/ with a folder for each class; WEIGHTS are those of torchvision's
squeezenet1_0. Whole processes that start from a prepared network, without cached embeddings. Draws benchmarks/transfer.png.
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

PLOT = Path(__file__).with_name("transfer.png")
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#777777")
CLASSES = (
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
"""The ten classes of Tiny ImageNet that stand in for CIFAR-10's."""


@dataclass(frozen=True)
class TrainingRun:
    """One finished `cnncli finetune`.

    Attributes:
        result: what `-f json` printed.
        seconds: wall time of the whole process.
        curve: (seconds since the start, validation accuracy) after each epoch.
    """

    result: dict[str, Any]
    seconds: float
    curve: Sequence[tuple[float, float]]

    @property
    def val_accuracy(self) -> float:
        """Validation accuracy in percent."""
        return 100.0 * _accuracy(self.result["val"])


def main() -> None:
    """Train everything and write the section."""
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    ants_bees, weights, tiny = (Path(argument).resolve() for argument in sys.argv[1:])
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])  # benchmarks.peers must be importable anywhere
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        body = "\n\n".join([_transfer(ants_bees, weights), _digits(), _course_network(tiny)])
    publish("course", "Examples from courses", body, ("ANTS_BEES", "WEIGHTS", "TINY_IMAGENET"))


def finetune(*arguments: str, program: Sequence[str] = ("-m", "cnncli")) -> TrainingRun:
    """Run `finetune` with these arguments."""
    process = run([*program, "finetune", *arguments, "-f", "json"])
    result = json.loads(process.stdout)
    epochs = result["epochs"]
    clock = process.seconds - sum(epoch["seconds"] for epoch in epochs)
    curve = []
    for epoch in epochs:
        clock += epoch["seconds"]
        curve.append((clock, epoch["val_top1"]))
    return TrainingRun(result, process.seconds, curve or [(process.seconds, _accuracy(result["val"]))])


def _accuracy(split: dict[str, Any]) -> float:
    """Top-1 accuracy from 0 to 1 of the counts that finetune reports for a split."""
    return int(split["correct"]) / int(split["images"])


def _transfer(data: Path, weights: Path) -> str:
    model = str(prepare(Reference("squeezenet1_0", weights), NullProgress()).path)
    source, fresh = str(data), ("-m", "benchmarks.peers.fresh_home")
    runs = {
        "`features`": finetune(source, "-m", model, "--tune", "features", program=fresh),
        "`head`": finetune(source, "-m", model, "--tune", "head"),
        "`last:3`": finetune(source, "-m", model, "--tune", "last:3"),
        "`full`": finetune(source, "-m", model, "--tune", "full", program=fresh),
        "`scratch`, 30 epochs": finetune(
            source, "-m", "squeezenet1_0", "--tune", "scratch", "--lr", "0.0002"
        ),
    }
    _plot(runs)
    rows = [
        [name, f"{item.val_accuracy:.1f} %", f"{len(item.result['epochs']) or ''}", f"{item.seconds:.0f} s"]
        for name, item in runs.items()
    ]
    return (
        f"**Transfer**: SqueezeNet 1.0 on {data.name}.\n\n{table(('--tune', 'best on val', 'epochs', 'time'), rows)}\n\n"
        "![accuracy over time](transfer.png)"
    )


def _digits() -> str:
    options = ("--tune", "scratch", "--epochs", "20", "--augment", "none", "--lr", "0.002")
    rows = []
    for shift in (0, 4):
        data = f"digits-{shift}"
        run(["-m", "cnncli", "datasets", "get", "digits", data, "--shift", str(shift)])
        runs = [finetune(data, "-m", name, *options) for name in ("lenet5", "mlp")]
        cells = [f"{item.val_accuracy:.1f} %, {item.seconds:.0f} s" for item in runs]
        rows.append([f"shifted by up to {shift} pixels", *cells])
    return (
        "**Convolution**: `digits` (1,797 images), 20 epochs without augmentation; accuracy on the validation split, a fifth "
        "of the images.\n\n" + table(("digits", "LeNet-5", "mlp"), rows)
    )


def _course_network(tiny: Path) -> str:
    listing = Path("ten.csv")
    _write_course_splits(listing, tiny)
    finished = finetune(str(listing), "-m", "course-cifar10", "--recipe", "keras")
    return (
        "**The course's CIFAR-10 network** on ten classes of Tiny ImageNet at 32 x 32 (4,000 images for training, 1,000 for "
        f"validation, 500 for testing): test loss {finished.result['test_loss']:.3f}, test accuracy "
        f"{100 * _accuracy(finished.result['test']):.1f} %, after 20 epochs of RMSprop in {finished.seconds:.0f} s. The same with "
        "CIFAR-10 itself: `cnncli datasets get cifar10 cifar10`."
    )


def _write_course_splits(listing: Path, tiny: Path) -> None:
    """Tiny ImageNet's val becomes test, a fifth of its train becomes val, as the course splits CIFAR-10."""
    with listing.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path", "label", "split"))
        for name in CLASSES:
            files = sorted((tiny / "train" / name).iterdir())
            val = len(files) // 5
            writer.writerows((file, name, "val" if i < val else "train") for i, file in enumerate(files))
            writer.writerows((file, name, "test") for file in sorted((tiny / "val" / name).iterdir()))


def _plot(runs: dict[str, TrainingRun]) -> None:
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for (name, item), colour in zip(runs.items(), COLOURS, strict=True):
        marker = "o" if len(item.curve) == 1 else None
        axes.plot(*zip(*item.curve, strict=True), label=name.replace("`", ""), color=colour, marker=marker)
    axes.set_xlabel("seconds since the command was started")
    axes.set_ylabel("accuracy on val")
    axes.set_xscale("log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(PLOT, dpi=110)


if __name__ == "__main__":
    main()
