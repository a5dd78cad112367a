"""JPEGs of 12 megapixels: cnncli's loader beside timm's, no network.

    python -m benchmarks.large_jpegs PHOTOGRAPHS

The photographs are enlarged and given the noise of a small sensor. cnncli decodes such files at a reduced scale where
that leaves at least twice the size that the network sees (`benchmarks.reduced_decode` measures what that changes).
"""

import statistics

from benchmarks import stage
from benchmarks.results import publish
from benchmarks.timing import in_turn

ROUNDS, IMAGES, MEGAPIXELS = 5, 48, 12


def main() -> None:
    """Measure, and write the section."""
    source = stage.arguments(__doc__)
    images = str(stage.large_photographs(source, IMAGES, MEGAPIXELS))
    folder = stage.network("resnet50", source).folder
    runs = in_turn(
        {
            "cnncli": ["-m", "benchmarks.peers.cnncli_loader", str(folder), images],
            "timm": ["-m", "benchmarks.peers.timm_loader", images],
        },
        ROUNDS,
    )
    times = {name: [float(item.printed) for item in items] for name, items in runs.items()}
    ratio = statistics.median(slow / fast for slow, fast in zip(times["timm"], times["cnncli"], strict=True))
    rate = IMAGES / statistics.median(times["cnncli"])
    publish(
        "large_jpegs",
        f"JPEGs of {MEGAPIXELS} megapixels",
        f"timm's loader takes {ratio:.1f} times as long as cnncli's ({rate:.1f} images a second) for {IMAGES} files, both "
        f"with as many workers as cores, without their start; median of {ROUNDS} rounds in turn. At least 3 is what we want.",
    )


if __name__ == "__main__":
    main()
