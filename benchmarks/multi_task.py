"""Two losses on one trunk: a small digits network from random weights, with and without a second task, on few training images.

    python -m benchmarks.multi_task DIGITS [--seeds N] [--epochs N]

DIGITS is the folder of `cnncli datasets get digit-tasks DIGITS`: a digit each, and whether it is above four. For each seed, a few
training images are drawn, the same number of each digit; LeNet-5 learns the digits alone, then with the second task at several
weights, lambda in L_digit + lambda * L_above_four. What counts is the accuracy of the digit after the last epoch, on the validation images.
Also writes the table in docs/course-training.md.
"""

import argparse
import contextlib
import csv
import re
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.results import publish, table
from cnncli.networks.reference import Reference
from cnncli.records.augmentation import Strength
from cnncli.records.engines import EngineOptions
from cnncli.records.list_columns import ListColumns
from cnncli.records.progress import NullProgress, no_bar
from cnncli.records.training import Amp, Keep, Layout, Tune
from cnncli.training import run
from cnncli.training.network import checkpoints, trainer
from cnncli.training.preparation import Stopwatch, find_images
from cnncli.training.resolve import resolve
from cnncli.training.settings import NetworkSettings

SIZES = (5, 10, 20)
"""Training images of each digit."""
WEIGHTS = (0.0, 0.3, 1.0)
"""Weights of the second task; 0 leaves it out."""
DOCS = Path(__file__).parents[1] / "docs" / "course-training.md"
SECOND = "above_four"


def main() -> None:
    """Train all networks and write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("digits", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    rows = [_row(options.digits, size, options.seeds, options.epochs) for size in SIZES]
    header = ("training images", "digit alone", *(f"lambda {weight:g}" for weight in WEIGHTS[1:]))
    page = DOCS.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- multi_task -->\n).*?(\n<!-- end -->)", re.DOTALL)
    DOCS.write_text(
        marked.sub(lambda match: f"{match[1]}{table(header, rows)}{match[2]}", page), encoding="utf-8"
    )
    publish(
        "multi_task",
        "Multi-task learning",
        f"{table(header, rows)}\n\nAccuracy of the digit on 360 images, in percent: mean of {options.seeds} draws of training images, each "
        "with another seed; in brackets the mean difference from the digit alone, and its standard error. LeNet-5 from random weights, "
        f"{options.epochs} epochs, no augmentation, the last epoch kept.",
        ("DIGITS", "--seeds", str(options.seeds), "--epochs", str(options.epochs)),
    )


def _row(digits: Path, size: int, seeds: int, epochs: int) -> tuple[str, ...]:
    """Accuracies with so many training images of each digit."""
    accuracies: dict[float, list[float]] = defaultdict(list)
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            listing = Path(folder, "few.csv")
            _draw(digits / "list.csv", listing, size, seed)
            for weight in WEIGHTS:
                accuracies[weight].append(_train(listing, digits, weight, seed, epochs))
                print(size, seed, weight, accuracies[weight][-1], flush=True)
    alone, *others = (accuracies[weight] for weight in WEIGHTS)
    return (
        f"{10 * size}",
        f"{statistics.mean(alone):.1f} %",
        *(_difference(alone, other) for other in others),
    )


def _difference(alone: Sequence[float], other: Sequence[float]) -> str:
    """`88.1 % (+0.4 ± 0.3)`."""
    differences = [second - first for first, second in zip(alone, other, strict=True)]
    error = statistics.stdev(differences) / len(differences) ** 0.5
    return f"{statistics.mean(other):.1f} % ({statistics.mean(differences):+.1f} ± {error:.1f})"


def _draw(source: Path, target: Path, size: int, seed: int) -> None:
    """A list with all validation images, and `size` training images of each digit, drawn at random."""
    with source.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    rng = np.random.default_rng(seed)
    chosen = [row for row in rows if row["split"] == "val"]
    for digit in sorted({row["digit"] for row in rows}):
        members = [row for row in rows if row["split"] == "train" and row["digit"] == digit]
        chosen += [members[index] for index in rng.choice(len(members), size, replace=False)]
    with target.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(chosen)


def _train(listing: Path, root: Path, weight: float, seed: int, epochs: int) -> float:
    """Train, and return the validation accuracy of the digit after the last epoch, in percent."""
    options = {"epochs": epochs, "lr": 0.003, "augment": Strength.NONE, "keep": Keep.LAST}
    settings = NetworkSettings(
        data=listing,
        reference=Reference("lenet5"),
        tune=Tune.SCRATCH,
        columns=ListColumns(labels=("digit", SECOND) if weight else ("digit",), root=root),
        output=listing.with_name(f"run-{weight}"),
        task_weights={SECOND: weight} if weight else {},
        options=resolve(Tune.SCRATCH, {**options, "amp": Amp.OFF, "layout": Layout.NCHW}),
        engine_options=EngineOptions(device="cpu"),
        seed=seed,
    )
    with contextlib.ExitStack() as locks:
        stopwatch = Stopwatch(NullProgress())
        images = find_images(settings, stopwatch, locks)
        folder = run.prepare_run(settings, *images, stopwatch, no_bar, is_offline=True).run
        trainer.train(folder, settings, NullProgress(), lambda: contextlib.nullcontext(lambda _: None))
    assert folder  # noqa: S101 - for mypy
    last = checkpoints.load(folder, print).history[-1]
    return 100 * (last.val_scores[0] or 0 if weight else last.val_top1)


if __name__ == "__main__":
    main()
