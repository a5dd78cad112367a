"""Which network learns most on short runs, before the long one: pocket's architecture beside others of its size.

python -m benchmarks.architectures DATA

DATA is a labelled folder; each network begins with random weights and learns from it with pocket's recipe, for a few
epochs. A part of Tiny ImageNet's training images is meant: some hundred of each class.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import engine_seconds, run
from cnncli.networks import model_folder, pocket

EPOCHS = 4
CANDIDATES_FOLDER = Path(__file__).parent / "candidates"
CANDIDATES = (
    ("pocket", (str(pocket.BLUEPRINT),)),
    ("deeper", (str(CANDIDATES_FOLDER / "deeper.cnn"),)),
    ("late", (str(CANDIDATES_FOLDER / "late.cnn"),)),
    ("regnetx_002", ("regnetx_002", "--img-size", "128")),
    ("mobilenetv3_small_100", ("mobilenetv3_small_100", "--img-size", "128")),
)
"""What each is called, and how `finetune -m` is told of it."""


def main() -> None:
    """Train each, and write the section."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    rows = [(name, *_tried(Path(sys.argv[1]), model)) for name, model in CANDIDATES]
    head = ("network", "looks at", "parameters", "multiply-adds", "an image, one core", "right")
    publish(
        "architectures",
        "Which architecture pocket has",
        f"{EPOCHS} epochs of pocket's recipe from random weights, at the full size from the start; right is the share of "
        f"the images that were held out, a tenth.\n\n{table(head, rows)}\n\n{_STANDING}",
        ("DATA",),
    )


_STANDING = (
    "`deeper` has three blocks of each width, `late` keeps all pixels of the image in its first stage, and RegNetX-200MF and "
    "MobileNetV3-small shrink it fourfold before their first stage, so that they are shown it enlarged."
)


def _tried(data: Path, model: Sequence[str]) -> tuple[str, ...]:
    recipe = pocket.FOLDER / "recipe.toml"
    asked = ("--epochs", str(EPOCHS), "--val-split", "0.1", "--initial-scale", "1")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "run"
        run(
            [
                "-m",
                "cnncli",
                "finetune",
                str(data),
                "-m",
                *model,
                "-c",
                str(recipe),
                *asked,
                "-o",
                str(place),
                "-q",
            ]
        )
        found = model_folder.open_folder(place)
        size = found.card.preprocessing.size
        told = run(["-m", "cnncli", "summary", str(place), "-f", "json"]).printed
        totals = json.loads(told)["totals"]
        right = {metric.name: metric.value for metric in found.card.metrics}["val_top1"]
        return (
            f"{size[0]} x {size[1]}",
            f"{totals['parameters']:,}",
            f"{totals['multiply_adds'] / 1e6:.0f} million",
            f"{1000 * engine_seconds(found):.1f} ms",
            f"{right:.1%}",
        )


if __name__ == "__main__":
    main()
