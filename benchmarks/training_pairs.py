"""Alternating epochs of `cnncli finetune` and of a bare loop in one process: `training_pairs NAME SIZE EPOCHS DATA`.

Prints JSON: the memory layout and precision that cnncli chose, training images per epoch, seconds of each epoch of both.
"""

import contextlib
import csv
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.peers.bare_training import BareTraining
from cnncli.records.progress import NullProgress, no_bar
from cnncli.records.training import TrainingProgress

BATCH_SIZE, CLASSES = 32, 2


class BareEpochs:
    """Runs one epoch of the bare loop after each of cnncli's epochs but the first.

    Attributes:
        seconds: of each timed epoch of the bare loop.
    """

    def __init__(self, name: str, size: int, run: Path) -> None:
        """Take the network's name, the image size in pixels, and cnncli's run folder."""
        self.name, self.size, self.run = name, size, run
        self.training: BareTraining | None = None
        self.seconds: list[float] = []
        self.epochs = 0

    def __call__(self, progress: TrainingProgress) -> None:
        """Called after each step, and when an epoch has been validated."""
        if len(progress.history) == self.epochs:
            return
        self.epochs += 1
        if self.epochs == 2:  # the checkpoint after the first epoch holds layout and precision
            layout, amp = read_variant(self.run)
            images = count_training_images(self.run)
            self.training = BareTraining(self.name, self.size, BATCH_SIZE, images, CLASSES, layout, amp)
            self.training.run_epoch()
        if self.training is not None:
            self.seconds.append(self.training.run_epoch())


def read_variant(run: Path) -> tuple[str, str]:
    """Memory layout and autocast precision of a run, from its last checkpoint."""
    from cnncli.training.network import checkpoints

    constants = checkpoints.load(run, sys.exit).constants  # a damaged one would be another epoch's
    return constants.layout, constants.amp


def count_training_images(run: Path) -> int:
    """Images of the training split."""
    with (run / "splits.csv").open() as stream:
        return sum(row["split"] == "train" for row in csv.DictReader(stream))


def main() -> None:
    """Train and print the result."""
    from cnncli.networks.reference import Reference
    from cnncli.records.training import Tune
    from cnncli.training.resolve import resolve
    from cnncli.training.run import finetune
    from cnncli.training.settings import NetworkSettings

    name, size, epochs, data = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        settings = NetworkSettings(
            data=data,
            reference=Reference(name, image_size=(size, size)),
            output=run,
            tune=Tune.SCRATCH,
            options=resolve(Tune.SCRATCH, {"epochs": epochs, "batch_size": BATCH_SIZE}),
        )
        bare = BareEpochs(name, size, run)
        finetune(settings, NullProgress(), no_bar, lambda: contextlib.nullcontext(bare), is_offline=True)
        with (run / "history.csv").open() as stream:
            rates = [float(row["images_per_second"]) for row in csv.DictReader(stream)]
        layout, amp = read_variant(run)
        images = count_training_images(run)
    result = {
        "variant": f"{layout}, {'fp32' if amp == 'off' else amp}",
        "images": images,
        "ours": [images / rate for rate in rates[2:]],
        "bare": bare.seconds[: len(rates) - 2],  # each is paired with cnncli's next epoch
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
