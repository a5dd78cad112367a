"""Transfer to other classes: classifiers on features and full fine-tuning, of the packaged and the built-in networks.

    python -m benchmarks.transfer DATA...

Each DATA is a labelled folder. Whole processes that start from prepared networks, without cached embeddings.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import run
from cnncli.networks import model_folder, pocket
from cnncli.networks.prepared import LARGER
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.defaults import DEFAULT
from cnncli.records.progress import NullProgress

MAX_IMAGES_FULL = 1000
"""Full fine-tuning is skipped for more images than this: it would take a quarter of an hour on two cores."""
EPOCHS = "5"
"""Of full fine-tuning, as with `--tune auto`."""
VARIANTS: Mapping[str, tuple[str, ...]] = {
    f"{pocket.NAME}, features": (pocket.NAME, "--tune", "features"),
    "lite0, features": (DEFAULT, "--tune", "features"),
    "lite2, features": (LARGER, "--tune", "features"),
    "lite0, full": (DEFAULT, "--tune", "full", "--epochs", EPOCHS),
    "lite2, full": (LARGER, "--tune", "full", "--epochs", EPOCHS),
}
"""Model and options, by column."""


def main() -> None:
    """Train and write the section."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    for name in (DEFAULT, LARGER):
        prepare(Reference(name), NullProgress(), is_offline=True)
    rows = [_row(Path(argument)) for argument in sys.argv[1:]]
    publish(
        "transfer",
        "Transfer to other classes",
        f"{table(('data', *VARIANTS), rows)}\n\nValidation accuracy, and time of the whole command. {pocket.NAME} is the "
        f"built-in model, lite0 the default, EfficientNet-Lite0, and lite2 EfficientNet-Lite2; full with {EPOCHS} epochs.",
        ("DATA...",),
    )


def _row(data: Path) -> list[str]:
    print(data.name, file=sys.stderr)
    images = sum(len(files) for _, _, files in os.walk(data))
    cells = [data.name]
    for model, *options in VARIANTS.values():
        is_skipped = "full" in options and images > MAX_IMAGES_FULL
        cells.append("not measured" if is_skipped else _finetune(data, model, *options))
    return cells


def _finetune(data: Path, model: str, *options: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        command = ["finetune", str(data), "-m", model, *options, "-o", str(output), "-q"]
        process = run(["-m", "benchmarks.peers.prepared_home", *command])
        metrics = {metric.name: metric.value for metric in model_folder.open_folder(output).card.metrics}
    print(model, *options, metrics["val_top1"], process.seconds, file=sys.stderr)
    return f"{metrics['val_top1']:.1%}, {process.seconds:.0f} s"


if __name__ == "__main__":
    main()
