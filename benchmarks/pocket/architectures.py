"""Which architecture is the most accurate after a short run: pocket's, or others of its size.

python -m benchmarks.pocket.architectures DATA

DATA is a labelled folder, meant to be a subset of Tiny ImageNet's training images with a few hundred of each class. Each
network is trained from random weights with pocket's recipe for a few epochs.
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
HERE = Path(__file__).parent
CANDIDATES = {
    "pocket": (str(pocket.BLUEPRINT),),
    "deeper": (str(HERE / "deeper.cnn"),),
    "late": (str(HERE / "late.cnn"),),
    "regnetx_002": ("regnetx_002", "--img-size", "128"),
    "mobilenetv3_small_100": ("mobilenetv3_small_100", "--img-size", "128"),
}
"""Model and options of `finetune`, by name."""
NOTES = (
    "`deeper` has three blocks of each width; `late` keeps the full resolution in its first stage. RegNetX-200MF and "
    "MobileNetV3-small reduce the resolution fourfold before their first stage, so they are given enlarged images."
)


def main() -> None:
    """Train each candidate and write the section."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    data = Path(sys.argv[1])
    rows = [(name, *_measure(data, model)) for name, model in CANDIDATES.items()]
    header = ("network", "input", "parameters", "multiply-adds", "latency, one core", "accuracy")
    publish(
        "pocket.architectures",
        "Architectures compared for pocket",
        f"{EPOCHS} epochs of pocket's recipe from random weights, at full resolution from the start; accuracy on the "
        f"validation split, a tenth of the images.\n\n{table(header, rows)}\n\n{NOTES}",
        ("DATA",),
    )


def _measure(data: Path, model: Sequence[str]) -> tuple[str, ...]:
    recipe = ("-c", str(pocket.FOLDER / "recipe.toml"))
    changes = ("--epochs", str(EPOCHS), "--val-split", "0.1", "--initial-scale", "1")
    with tempfile.TemporaryDirectory() as temporary:
        output = Path(temporary) / "run"
        command = ["finetune", str(data), "-m", *model, *recipe, *changes, "-o", str(output), "-q"]
        run(["-m", "cnncli", *command])
        folder = model_folder.open_folder(output)
        summary = run(["-m", "cnncli", "summary", str(output), "-f", "json"]).stdout
        totals = json.loads(summary)["totals"]
        height, width = folder.card.preprocessing.size
        accuracy = {metric.name: metric.value for metric in folder.card.metrics}["val_top1"]
        return (
            f"{height} x {width}",
            f"{totals['parameters']:,}",
            f"{totals['multiply_adds'] / 1e6:.0f} million",
            f"{1000 * engine_seconds(folder):.1f} ms",
            f"{accuracy:.1%}",
        )


if __name__ == "__main__":
    main()
