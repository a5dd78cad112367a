"""Peak memory for 20,000 images beside that for 1,000.

python -m benchmarks.memory PHOTOGRAPHS
"""

import statistics
from pathlib import Path

from benchmarks import stage
from benchmarks.results import publish, table
from benchmarks.timing import run

FEW, MANY, ROUNDS = 1_000, 20_000, 3


def peak(network: stage.Network, paths: Path, *options: str) -> int:
    """Bytes of resident memory, at most, of one whole process."""
    fixed = ["-m", str(network.folder), "--files-from", str(paths), "-q"]
    return int(run(["-m", "benchmarks.peers.with_peak", "predict", *fixed, *options]).said.split()[-1])


def main() -> None:
    """Measure, and write the section."""
    source = stage.arguments(__doc__)
    network = stage.network("mobilenetv3_small_100", source)
    files = [str(file) for file in sorted(stage.photographs(source, FEW).iterdir())]
    lists = {}
    for count in (FEW, MANY):
        lists[count] = stage.WORK / f"{count}.txt"
        lists[count].write_text("\n".join(files[number % FEW] for number in range(count)) + "\n")
    output = stage.WORK / "answers.csv"
    rows = []
    for name, options in (
        ("tsv to a pipe", ("-f", "tsv")),
        ("csv to a file", ("-o", str(output), "--overwrite")),
    ):
        few, many = (
            statistics.median(peak(network, lists[count], *options) for _ in range(ROUNDS))
            for count in (FEW, MANY)
        )
        rows.append([name, f"{few / 1e6:.0f} MB", f"{many / 1e6:.0f} MB", f"{many / few:.2f}"])
    head = ("output", f"{FEW:,} images", f"{MANY:,} images", "ratio")
    publish(
        "memory",
        "Memory",
        f"Peak resident memory of the whole process, MobileNetV3-small, medians of {ROUNDS}. At most 1.15 is what we "
        f"want.\n\n{table(head, rows)}",
    )


if __name__ == "__main__":
    main()
