"""Loading JPEGs of 12 megapixels: cnncli's loader compared with timm's, without a network.

    python -m benchmarks.large_jpegs PHOTOGRAPHS

The photographs are enlarged and given the noise of a small sensor. cnncli decodes such files at a reduced scale if that
leaves at least twice the network's input size (`benchmarks.reduced_decode` measures what that changes).
"""

import statistics

from benchmarks import photographs
from benchmarks.networks import load_network
from benchmarks.results import publish
from benchmarks.timing import run_alternately

ROUNDS, IMAGES, MEGAPIXELS = 5, 48, 12


def main() -> None:
    """Measure and write the section."""
    source = photographs.parse_arguments(__doc__)
    images = str(photographs.large_copies(source, IMAGES, MEGAPIXELS))
    model = load_network("resnet50", source).folder
    runs = run_alternately(
        {
            "cnncli": ["-m", "benchmarks.peers.cnncli_loader", str(model), images],
            "timm": ["-m", "benchmarks.peers.timm_loader", images],
        },
        ROUNDS,
    )
    times = {name: [float(item.stdout) for item in items] for name, items in runs.items()}
    ratio = statistics.median(slow / fast for slow, fast in zip(times["timm"], times["cnncli"], strict=True))
    rate = IMAGES / statistics.median(times["cnncli"])
    publish(
        "large_jpegs",
        f"JPEGs of {MEGAPIXELS} megapixels",
        f"timm's loader takes {ratio:.1f} times as long as cnncli's ({rate:.1f} images per second) for {IMAGES} files, both "
        f"with one worker per core and without start-up; median of {ROUNDS} alternating rounds. Target: at least 3.",
    )


if __name__ == "__main__":
    main()
