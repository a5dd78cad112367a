"""Learning other classes: features and full fine-tuning of the packaged networks, beside the built-in one.

    python -m benchmarks.transfer DATA...

Each DATA is a labelled folder. Whole processes from prepared networks, with no feature known.
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

MOST_FOR_FULL = 1000
"""Images up to which the whole network is trained: more take a quarter of an hour on two cores."""
EPOCHS = "5"
"""Of `full`, as `--tune auto` has them."""

WAYS: Mapping[str, tuple[str, ...]] = {
    f"{pocket.NAME}, features": (pocket.NAME, "--tune", "features"),
    "lite0, features": (DEFAULT, "--tune", "features"),
    "lite2, features": (LARGER, "--tune", "features"),
    "lite0, full": (DEFAULT, "--tune", "full", "--epochs", EPOCHS),
    "lite2, full": (LARGER, "--tune", "full", "--epochs", EPOCHS),
}


def main() -> None:
    """Train, and write the section."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    for name in (DEFAULT, LARGER):
        prepare(Reference(name), NullProgress(), is_offline=True)
    rows = []
    for data in map(Path, sys.argv[1:]):
        print(data.name, file=sys.stderr)
        count = sum(len(files) for _, _, files in os.walk(data))
        rows.append(
            (
                data.name,
                *(
                    "not measured" if "full" in way and count > MOST_FOR_FULL else _learned(data, way)
                    for way in WAYS.values()
                ),
            )
        )
    publish(
        "transfer",
        "Learning other classes",
        f"{table(('data', *WAYS), rows)}\n\nRight on the images held out, and the time of the whole command: {pocket.NAME} is the "
        f"built-in model, lite0 EfficientNet-Lite0, the default, and lite2 EfficientNet-Lite2; full with {EPOCHS} epochs.",
        ("DATA...",),
    )


def _learned(data: Path, way: tuple[str, ...]) -> str:
    model, *options = way
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "run"
        command = ["finetune", str(data), "-m", model, *options, "-o", str(place), "-q"]
        done = run(["-m", "benchmarks.peers.prepared_home", *command])
        found = {metric.name: metric.value for metric in model_folder.open_folder(place).card.metrics}
    print(way, found["val_top1"], done.seconds, file=sys.stderr)
    return f"{found['val_top1']:.1%}, {done.seconds:.0f} s"


if __name__ == "__main__":
    main()
