"""What 10^8 images cost: a small model with the rates of this machine.

    python -m benchmarks.scale PHOTOGRAPHS

Takes two minutes on two cores. Prices are list prices of a large cloud provider; put in your own.
"""

import os
import statistics
from dataclasses import dataclass
from pathlib import Path

from benchmarks import photographs
from benchmarks.networks import Network, load_network
from benchmarks.parts import part_stats
from benchmarks.results import publish, table
from cnncli.records.defaults import PART_SIZE
from cnncli.text import size

IMAGES = 100_000_000
MEASURED = {"mobilenetv3_small_100": 1000, "resnet50": 200}
"""Images that each network is measured on."""
FEW = 8
"""Images of a run that measures the start-up."""
CORES, DAY = 16, 24 * 3600
"""Of a machine; seconds."""
CORE_HOUR = 0.04
"""US dollars for an hour of one core."""
READS, WRITES = 0.4e-6, 5e-6
"""US dollars for one request that reads, or writes, an object."""
PART_READS, PART_WRITES = 2, 2
"""Requests of a part: whether it exists and its range of the list; its statistics and the part itself."""
LINK = 10e9 / 8
"""Bytes per second of a machine's network."""


@dataclass(frozen=True)
class Cost:
    """What a network needs for all images.

    Attributes:
        rate: images per second of one core.
        image_bytes: of one image, on average.
        output_bytes: of the records of one image, as csv.
    """

    rate: float
    image_bytes: float
    output_bytes: float

    @property
    def core_hours(self) -> float:
        """Hours of one core."""
        return IMAGES / self.rate / 3600

    @property
    def machines(self) -> float:
        """Machines that are done in a day."""
        return self.core_hours * 3600 / (CORES * DAY)

    @property
    def share_of_link(self) -> float:
        """The share of a machine's network that reading its images takes."""
        return self.rate * CORES * self.image_bytes / LINK


def measure(name: str, source: Path) -> Cost:
    """Measure one core, by the time that it computes, which other processes on a shared machine hardly change."""
    network = load_network(name, source)
    files = sorted(photographs.copies(source, 1_000).iterdir())[: MEASURED[name]]
    start_up = _core_seconds(network, files[:FEW])
    seconds = _core_seconds(network, files)
    written = sum(part.stat().st_size for part in (photographs.CACHE / "parts").glob("part-*"))
    return Cost(
        rate=(len(files) - FEW) / (seconds - start_up),
        image_bytes=statistics.fmean(file.stat().st_size for file in files),
        output_bytes=written / len(files),
    )


def _core_seconds(network: Network, files: list[Path]) -> float:
    """Seconds that cores compute in a process that predicts these files."""
    listing = photographs.CACHE / "photographs.txt"
    listing.write_text("".join(f"{file}\n" for file in files))
    before = os.times()
    part_stats(network, listing, "--worker-cpus", "1")
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def requests_text() -> str:
    """Requests and their price: one object per image, or archives."""
    parts = IMAGES // PART_SIZE
    reads, writes = parts * PART_READS, parts * PART_WRITES
    overhead = reads * READS + writes * WRITES
    return (
        f"{parts:,} parts of {PART_SIZE:,} images take {reads + writes:,} requests of their own ({overhead:,.2f} dollars). Images that "
        f"are objects of their own take {IMAGES:,} more ({IMAGES * READS:,.0f} dollars); in archives of {PART_SIZE:,} images, a few "
        "per archive."
    )


def main() -> None:
    """Measure and write the section."""
    source = photographs.parse_arguments(__doc__)
    costs = {name: measure(name, source) for name in MEASURED}
    header = [
        "network",
        "img/s per core",
        "core hours",
        f"machines of {CORES} cores for a day",
        "dollars",
        "read",
        "written as csv",
    ]
    header.append("share of 10 Gbit/s")
    rows = [
        [
            name,
            f"{cost.rate:.0f}",
            f"{cost.core_hours:,.0f}",
            f"{cost.machines:.1f}",
            f"{cost.core_hours * CORE_HOUR:,.0f}",
            size(round(cost.image_bytes * IMAGES)),
            size(round(cost.output_bytes * IMAGES)),
            f"{100 * cost.share_of_link:.0f} %",
        ]
        for name, cost in costs.items()
    ]
    publish(
        "scale",
        "What 100 million images cost",
        f"{table(header, rows)}\n\nA model: the rate of one core, measured on {size(round(costs['resnet50'].image_bytes))} JPEGs, times "
        f"{IMAGES:,}; {CORE_HOUR} dollars per core and hour. {requests_text()}",
    )


if __name__ == "__main__":
    main()
