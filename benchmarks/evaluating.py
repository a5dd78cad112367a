"""`evaluate` beside `predict` on the same photographs: what the figures cost.

python -m benchmarks.evaluating PHOTOGRAPHS
"""

import csv
from pathlib import Path

from benchmarks import stage
from benchmarks.results import publish, table
from benchmarks.timing import in_turn, ratio, seconds

IMAGES, ROUNDS = 1000, 5
NETWORKS = ("resnet50", "mobilenetv3_small_100")


def main() -> None:
    """Measure, and write the section."""
    source = stage.arguments(__doc__)
    images = stage.photographs(source, IMAGES)
    listing = images.with_suffix(".csv")
    with listing.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path", "label"))
        writer.writerows((file, number % 1000) for number, file in enumerate(sorted(images.iterdir())))
    rows = [_row(name, source, images, listing) for name in NETWORKS]
    publish(
        "evaluating",
        "Evaluating",
        f"{table(('network', 'predict', 'evaluate', 'evaluate / predict'), rows)}\n\n"
        f"{IMAGES:,} photographs (those of PHOTOGRAPHS, over and over), labelled by chance with all 1,000 classes; whole "
        f"processes in turn, medians of {ROUNDS} rounds. What is added is importing scikit-learn, and drawing the images a "
        "thousand times for the intervals.",
    )


def _row(name: str, source: Path, images: Path, listing: Path) -> list[str]:
    model = ("-m", str(stage.network(name, source).folder), "-q")
    runs = in_turn(
        {
            "predict": ["-m", "cnncli", "predict", str(images), *model, "-f", "csv"],
            "evaluate": ["-m", "cnncli", "evaluate", str(listing), *model, "-f", "json"],
        },
        ROUNDS,
    )
    times = [f"{seconds(runs[what]):.1f} s" for what in ("predict", "evaluate")]
    return [name, *times, f"{ratio(runs['evaluate'], runs['predict']):.2f}"]


if __name__ == "__main__":
    main()
