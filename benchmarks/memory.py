"""Peak memory for 20,000 images compared with that for 1,000.

python -m benchmarks.memory PHOTOGRAPHS
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks import photographs
from benchmarks.networks import Network, load_network
from benchmarks.results import publish, table
from benchmarks.timing import run

FEW, MANY, ROUNDS = 1_000, 20_000, 3


def peak_memory(network: Network, listing: Path, *options: str) -> int:
    """Peak resident memory in bytes of `predict` on the listed images."""
    fixed = ["-m", str(network.folder), "--files-from", str(listing), "-q"]
    return int(run(["-m", "benchmarks.peers.with_peak", "predict", *fixed, *options]).stderr.split()[-1])


def main() -> None:
    """Measure and write the section."""
    source = photographs.parse_arguments(__doc__)
    network = load_network("mobilenetv3_small_100", source)
    files = [str(file) for file in sorted(photographs.copies(source, FEW).iterdir())]
    listings = {}
    for count in (FEW, MANY):
        listings[count] = photographs.CACHE / f"{count}.txt"
        listings[count].write_text("\n".join(files[number % FEW] for number in range(count)) + "\n")
    output = str(photographs.CACHE / "answers.csv")
    rows = [
        _row("tsv to a pipe", network, listings, ("-f", "tsv")),
        _row("csv to a file", network, listings, ("-o", output, "--overwrite")),
    ]
    publish(
        "memory",
        "Memory",
        f"Peak resident memory of the whole process, MobileNetV3-small, medians of {ROUNDS}. Target: a ratio of at most "
        f"1.15.\n\n{table(('output', f'{FEW:,} images', f'{MANY:,} images', 'ratio'), rows)}",
    )


def _row(name: str, network: Network, listings: dict[int, Path], options: Sequence[str]) -> list[str]:
    few, many = (
        statistics.median(peak_memory(network, listings[count], *options) for _ in range(ROUNDS))
        for count in (FEW, MANY)
    )
    return [name, f"{few / 1e6:.0f} MB", f"{many / 1e6:.0f} MB", f"{many / few:.2f}"]


if __name__ == "__main__":
    main()
