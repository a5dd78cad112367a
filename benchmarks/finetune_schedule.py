"""The schedule of plain `cnncli finetune DATA`, compared with a longer one at full image size.

    python -m benchmarks.finetune_schedule DATA... [--seeds 0,1,2]

Each DATA has train/ and val/ with a folder for each class. The default has 6 epochs that begin with smaller images; the longer
schedule, that of `--tune full`, has 10 epochs of full-sized ones and a smaller learning rate near the input. Here both train to
their end, while plain `finetune` stops early, and keeps the classifier on features, where training is no better. The
difference in accuracy is taken image by image, over all data sets and seeds; its interval is that of a mean of paired
differences.
"""

import argparse
import csv
import math
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import run

LONGER: tuple[str, ...] = ()
SHORT = ("--epochs", "6", "--initial-scale", "0.7", "--layer-decay", "0.9")
"""Options of `--tune full`; the second are the defaults of `--tune auto`."""


@dataclass(frozen=True)
class Outcome:
    """Which validation images are right, by path, and the wall time of the whole command in seconds."""

    is_right: Mapping[str, bool]
    seconds: float

    @property
    def accuracy(self) -> float:
        """In percent."""
        return 100 * statistics.mean(self.is_right.values())


def main() -> None:
    """Train with both schedules and write the section."""
    options = _parse_options()
    rows: list[list[str]] = []
    differences: list[int] = []
    ratios: list[float] = []
    for data in options.data:
        for seed in options.seeds.split(","):
            longer, short = (_train(data, seed, schedule) for schedule in (LONGER, SHORT))
            differences += [short.is_right[path] - right for path, right in longer.is_right.items()]
            ratios.append(short.seconds / longer.seconds)
            row = [
                data.name,
                seed,
                f"{longer.accuracy:.1f} %",
                f"{short.accuracy:.1f} %",
                f"{ratios[-1]:.2f}",
            ]
            print(*row, file=sys.stderr)
            rows.append(row)
    mean = 100 * statistics.mean(differences)
    margin = 196 * statistics.stdev(differences) / math.sqrt(len(differences))
    publish(
        "finetune_schedule",
        "The schedule of fine-tuning",
        f"{table(('data', 'seed', '10 full epochs', 'default', 'time, default / 10 full epochs'), rows)}\n\n"
        f"EfficientNet-Lite0, trained to the end; whole commands. Default minus 10 full epochs over {len(differences):,} answers: {mean:+.2f} points "
        f"(95 % interval {mean - margin:+.2f} to {mean + margin:+.2f}), median of the time ratios "
        f"{statistics.median(ratios):.2f}. Targets: the interval excludes -1 point; half the time.",
        ("DATA...",),
    )


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--seeds", default="0,1,2")
    return parser.parse_args()


def _train(data: Path, seed: str, schedule: tuple[str, ...]) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        output = f"{folder}/run"
        options = ("--tune", "full", "--seed", seed, "-o", output, "-q", *schedule)
        process = run(["-m", "cnncli", "finetune", str(data), *options])
        with (Path(output) / "predictions.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "val"]
    return Outcome({row["path"]: row["label"] == row["predicted"] for row in rows}, process.seconds)


if __name__ == "__main__":
    main()
