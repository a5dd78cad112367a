"""`finetune --recipe keras` beside the Keras script whose training it is: the same network on the same images.

    python -m benchmarks.keras_recipe DATA [--epochs N] [--seeds N]

DATA is a labelled folder of images of 32 x 32 pixels without splits, e.g. of `cnncli datasets get digits DATA`. A fifth of it
becomes the test split, and a fifth of the rest the validation split. Keras (in the extra `benchmarks`) runs on torch.
"""

import argparse
import csv
import json
import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.results import publish, table
from benchmarks.timing import run
from cnncli.data import layout
from cnncli.training.network import checkpoints

NETWORK = "course-cifar10"
SHARE = 5
"""One image in so many is held out, for test and then for val."""


@dataclass(frozen=True)
class Outcome:
    """One training run.

    Attributes:
        loss, accuracy: on the test split.
        parameters: of the network.
        steps: updates of the weights.
        images: of train, val and test.
    """

    loss: float
    accuracy: float
    parameters: int
    steps: int
    images: tuple[int, ...]


def main() -> None:
    """Train with both and write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder, "list.csv")
        _write_splits(listing, options.data.resolve())
        trainers: dict[str, Callable[[int], Outcome]] = {
            "Keras": lambda seed: _train_keras(listing, options.epochs, seed),
            "`--recipe keras`": lambda seed: _train_cnncli(listing, options.epochs, seed),
        }
        outcomes: dict[str, list[Outcome]] = {name: [] for name in trainers}
        for seed in range(options.seeds):
            for name, train in trainers.items():
                outcomes[name].append(train(seed))
                print(name, seed, outcomes[name][-1], flush=True)
    arguments = ("DATA", "--epochs", str(options.epochs), "--seeds", str(options.seeds))
    publish("keras_recipe", "Keras's training", _section(outcomes, options), arguments)


def _write_splits(listing: Path, data: Path) -> None:
    """A list of train, val and test images, of which Keras's `validation_split=0.2` takes the same for validation."""
    labelled = layout.read(data)
    order = np.random.default_rng(0).permutation(len(labelled.samples))
    samples = [labelled.samples[number] for number in order]
    rest = samples[len(samples) // SHARE :]
    train = int(len(rest) * (1 - 1 / SHARE))
    splits = {"train": rest[:train], "val": rest[train:], "test": samples[: len(samples) // SHARE]}
    with listing.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path", "label", "split"))
        for split, part in splits.items():
            writer.writerows((sample.path, labelled.class_names[sample.label], split) for sample in part)


def _train_keras(listing: Path, epochs: int, seed: int) -> Outcome:
    process = run(["-m", "benchmarks.peers.keras_course", str(listing), str(epochs), str(seed)])
    result = json.loads(process.stdout.splitlines()[-1])
    return Outcome(**{**result, "images": tuple(result["images"])})


def _train_cnncli(listing: Path, epochs: int, seed: int) -> Outcome:
    folder = listing.with_name(f"run-{seed}")
    settings = ("--recipe", "keras", "--epochs", str(epochs), "--seed", str(seed), "-o", str(folder))
    process = run(
        ["-m", "cnncli", "finetune", str(listing), "-m", NETWORK, *settings, "--overwrite", "-f", "json"]
    )
    result = json.loads(process.stdout)
    checkpoint = checkpoints.load(folder, print)
    return Outcome(
        loss=result["test_loss"],
        accuracy=result["test"]["correct"] / result["test"]["images"],
        parameters=sum(weights.numel() for weights in checkpoint.network.values()),
        steps=checkpoint.updates,
        images=tuple(result["images"].values()),
    )


def _section(outcomes: dict[str, list[Outcome]], options: argparse.Namespace) -> str:
    rows = [
        [
            name,
            _mean([100 * item.accuracy for item in items], 2) + " %",
            _mean([item.loss for item in items], 4),
            *_same([(f"{item.parameters:,}", str(item.steps), _images(item)) for item in items]),
        ]
        for name, items in outcomes.items()
    ]
    header = ("training", "test accuracy", "test loss", "parameters", "steps", "images (train, val, test)")
    return (
        f"`{NETWORK}` on {options.data.name}, {options.epochs} epochs; means of {options.seeds} seeds and their standard "
        f"errors.\n\n{table(header, rows)}\n\n"
        f"Differences in standard errors: accuracy {_distance(outcomes, 'accuracy'):.1f}, loss {_distance(outcomes, 'loss'):.1f}. "
        "Target: at most 2, and the same parameters, steps and images."
    )


def _images(outcome: Outcome) -> str:
    return ", ".join(f"{count:,}" for count in outcome.images)


def _same(values: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """What all runs have in common.

    Raises:
        SystemExit: they differ.
    """
    if len(set(values)) != 1:
        raise SystemExit(f"runs differ in parameters, steps or images: {values}")
    return values[0]


def _mean(values: Sequence[float], digits: int) -> str:
    return f"{statistics.mean(values):.{digits}f} ± {_standard_error(values):.{digits}f}"


def _standard_error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values))


def _distance(outcomes: dict[str, list[Outcome]], name: str) -> float:
    """The difference of two means, in standard errors of the difference."""
    first, second = ([float(getattr(item, name)) for item in items] for items in outcomes.values())
    error = math.hypot(_standard_error(first), _standard_error(second))
    return abs(statistics.mean(first) - statistics.mean(second)) / error


if __name__ == "__main__":
    main()
