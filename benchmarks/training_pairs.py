"""Epochs of `cnncli finetune` and of the bare loop, one of each in turn, in one process: `training_pairs NAME SIZE EPOCHS DATA`.

Prints JSON: the layout and arithmetic that cnncli chose, images of an epoch, and the seconds of each epoch of either.
"""

import contextlib
import csv
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.peers.bare_training import Bare
from cnncli.records.progress import NullProgress

BATCH = 32


class Between(NullProgress):
    """Hears of each epoch that has ended, and lets the bare loop have one, too."""

    def __init__(self, name: str, size: int, run: Path) -> None:
        """What the network is called, the side of its images in pixels, and where the run will be."""
        self.name, self.size, self.run = name, size, run
        self.bare: Bare | None = None
        self.seconds: list[float] = []
        self.epochs = 0

    def notice(self, message: str) -> None:
        """An epoch's line begins with `epoch`."""
        if not message.startswith("epoch"):
            return
        self.epochs += 1
        if self.epochs == 2:  # what was chosen is in the checkpoint after the first
            self.bare = self._bare()
            self.bare.epoch()
        if self.bare is not None:
            self.seconds.append(self.bare.epoch())

    def _bare(self) -> Bare:
        layout, amp = chosen(self.run)
        return Bare(self.name, self.size, BATCH, images(self.run), 2, layout, amp)


def chosen(run: Path) -> tuple[str, str]:
    """Layout and arithmetic of a run."""
    import torch

    fixed = torch.load(run / "checkpoints" / "last.pt", weights_only=True)["fixed"]
    return fixed["layout"], fixed["amp"]


def images(run: Path) -> int:
    """That a run learns from."""
    with (run / "splits.csv").open() as stream:
        return sum(row["split"] == "train" for row in csv.DictReader(stream))


def main() -> None:
    """Train, and print."""
    from cnncli.networks.reference import Reference
    from cnncli.records.training import Tune
    from cnncli.training.options import chosen as chosen_levers
    from cnncli.training.run import finetune
    from cnncli.training.settings import FinetuneSettings

    name, size, epochs, data = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        settings = FinetuneSettings(
            data=data,
            reference=Reference(name, image_size=(size, size)),
            output=run,
            tune=Tune.SCRATCH,
            levers=chosen_levers(Tune.SCRATCH, {"epochs": epochs, "batch_size": BATCH}),
        )
        between = Between(name, size, run)
        nothing = contextlib.nullcontext(lambda *_: None)
        finetune(settings, between, lambda _: nothing, lambda: nothing, is_offline=True)
        with (run / "history.csv").open() as stream:
            rates = [float(row["images_per_second"]) for row in csv.DictReader(stream)]
        layout, amp = chosen(run)
        count = images(run)
    counted = between.seconds[
        : len(rates) - 2
    ]  # the bare epoch after each one but the first, beside the next
    print(
        json.dumps(
            {
                "chosen": f"{layout}, {'fp32' if amp == 'off' else amp}",
                "images": count,
                "ours": [count / rate for rate in rates[2:]],
                "bare": counted,
            }
        )
    )


if __name__ == "__main__":
    main()
