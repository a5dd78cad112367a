"""The schedule of plain `cnncli finetune DATA`, compared with ten epochs of the whole network.

    python -m benchmarks.finetune_schedule DATA... [--seeds 0,1,2] [--runs DIR]

Each DATA has train/ and val/, and test/ if the answers on it are to be compared, with a folder for each class. Runs that --runs
already has are not trained again. The default trains the upper half of the stages for 6 epochs, or up to 10 of few images, and keeps
the classifier on features where training is no better; the longer schedule is `--tune full`. Neither has a time limit, and both find
the embeddings computed. The difference in accuracy is taken image by image, over all data sets and seeds; its interval is that of a
mean of paired differences.
"""

import argparse
import csv
import math
import shutil
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import run

LONGER = ("--tune", "full")


@dataclass(frozen=True)
class Outcome:
    """Which held-out images are right, by path, and the wall time of the whole command in seconds."""

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
        _compute_embeddings(data, options.runs / f"{data.name}-embeddings")
    for seed in options.seeds.split(","):
        for data in options.data:
            folder = options.runs / f"{data.name}-{seed}"
            longer = _train(data, seed, LONGER, folder / "longer")
            short = _train(data, seed, (), folder / "default")
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
        f"{table(('data', 'seed', '--tune full', 'default', 'time, default / full'), rows)}\n\n"
        f"Plain `finetune`, EfficientNet-Lite0; whole commands. Default minus ten epochs of the whole network over {len(differences):,} answers: {mean:+.2f} points "
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
    parser.add_argument("--runs", type=Path, default=Path("runs", "finetune_schedule"))
    return parser.parse_args()


def _compute_embeddings(data: Path, output: Path) -> None:
    """So that no training is the first that needs them."""
    run(["-m", "cnncli", "finetune", str(data), "--tune", "features", "-o", str(output), "--overwrite", "-q"])


def _train(data: Path, seed: str, schedule: tuple[str, ...], output: Path) -> Outcome:
    time = output / "seconds.txt"
    if not time.exists():
        shutil.rmtree(output, ignore_errors=True)
        options = ("--time-budget", "0", "--seed", seed, "-o", str(output), "-q", *schedule)
        process = run(["-m", "cnncli", "finetune", str(data), *options])
        time.write_text(str(process.seconds))
    with (output / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    split = "test" if any(row["split"] == "test" for row in rows) else "val"
    is_right = {row["path"]: row["label"] == row["predicted"] for row in rows if row["split"] == split}
    return Outcome(is_right, float(time.read_text()))


if __name__ == "__main__":
    main()
