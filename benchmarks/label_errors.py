"""How many of the labels that were changed at random `check --label-errors` finds.

    python -m benchmarks.label_errors DATA...

Each DATA is a labelled folder: ants_bees, and ten classes of Tiny ImageNet. 5 % of the labels are replaced by other classes,
with each of five seeds. Features of the default network are computed once.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.results import publish, table
from cnncli.curation.label_errors import find_label_errors
from cnncli.data import layout
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.data import DataSet
from cnncli.records.defaults import DEFAULT
from cnncli.records.engines import InferenceOptions
from cnncli.records.progress import NullProgress, no_bar

SHARE, SEEDS, TARGET = 0.05, range(5), 0.85
"""Share of the labels that are changed, the seeds, and the share of them that must be among twice as many suggestions."""


def main() -> None:
    """Measure and publish."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    folder = prepare(Reference(DEFAULT), NullProgress(), is_offline=True)
    rows, misses = [], []
    for data in (layout.read(Path(argument)) for argument in sys.argv[1:]):
        shares = np.array([_shares(data, folder, seed) for seed in SEEDS])
        means, deviations = shares.mean(axis=0), shares.std(axis=0, ddof=1)
        misses += [data.name] if means[1] < TARGET else []
        spread = [
            f"{100 * mean:.0f} % ± {100 * deviation:.0f} %"
            for mean, deviation in zip(means, deviations, strict=True)
        ]
        rows.append(
            [
                data.name,
                f"{len(data.samples):,}",
                str(_count(data)),
                *spread[:2],
                f"{means[2]:.0f} ± {deviations[2]:.0f}",
            ]
        )
    header = ("data", "images", "changed", "found in as many", "in twice as many", "estimated")
    publish(
        "label_errors",
        "Label errors",
        f"{table(header, rows)}\n\nOf 5 % of the labels, changed at random to other classes, the share among as many and among twice as "
        "many of the first suggestions of `check --label-errors`, and its estimate of how many are wrong; mean and standard deviation of "
        f"five seeds. Target: 85 % in twice as many. Missed on: {', '.join(misses) or 'none'}.",
        ("DATA...",),
    )


def _count(data: DataSet) -> int:
    return round(SHARE * len(data.samples))


def _shares(data: DataSet, folder: ModelFolder, seed: int) -> Sequence[float]:
    """The shares that are found, and the estimate."""
    rng, count = np.random.default_rng(seed), _count(data)
    changed = set(rng.choice(len(data.samples), count, replace=False).tolist())
    classes = len(data.class_names)
    samples = [
        replace(sample, label=(sample.label + int(rng.integers(1, classes))) % classes)
        if row in changed
        else sample
        for row, sample in enumerate(data.samples)
    ]
    paths = {data.samples[row].path for row in changed}
    found = find_label_errors(
        replace(data, samples=tuple(samples)), folder, InferenceOptions(), NullProgress(), no_bar
    )
    hits = [item.source.path in paths for item in found.suggestions]
    return sum(hits[:count]) / count, sum(hits[: 2 * count]) / count, found.estimate


if __name__ == "__main__":
    main()
