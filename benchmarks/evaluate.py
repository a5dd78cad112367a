"""How much longer `evaluate` takes than `predict` on the same photographs.

python -m benchmarks.evaluate PHOTOGRAPHS
"""

import csv
from pathlib import Path

from benchmarks import photographs
from benchmarks.networks import load_network
from benchmarks.results import publish, table
from benchmarks.timing import median_ratio, median_seconds, run_alternately

IMAGES, ROUNDS = 1000, 5
NETWORKS = ("resnet50", "mobilenetv3_small_100")


def main() -> None:
    """Measure and write the section."""
    source = photographs.parse_arguments(__doc__)
    images = photographs.copies(source, IMAGES)
    listing = images.with_suffix(".csv")
    with listing.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path", "label"))
        writer.writerows((file, number % 1000) for number, file in enumerate(sorted(images.iterdir())))
    rows = [_row(name, source, images, listing) for name in NETWORKS]
    publish(
        "evaluate",
        "Evaluating",
        f"{table(('network', 'predict', 'evaluate', 'evaluate / predict'), rows)}\n\n"
        f"{IMAGES:,} photographs (those of PHOTOGRAPHS, repeated), arbitrarily labelled with all 1,000 classes; whole "
        f"processes run alternately, medians of {ROUNDS} rounds. `evaluate` also draws a thousand "
        "bootstrap samples for the confidence intervals.",
    )


def _row(name: str, source: Path, images: Path, listing: Path) -> list[str]:
    model = ("-m", str(load_network(name, source).folder), "-q")
    runs = run_alternately(
        {
            "predict": ["-m", "cnncli", "predict", str(images), *model, "-f", "csv"],
            "evaluate": ["-m", "cnncli", "evaluate", str(listing), *model, "-f", "json"],
        },
        ROUNDS,
    )
    times = [f"{median_seconds(runs[command]):.1f} s" for command in ("predict", "evaluate")]
    return [name, *times, f"{median_ratio(runs['evaluate'], runs['predict']):.2f}"]


if __name__ == "__main__":
    main()
