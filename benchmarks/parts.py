"""Outputs in parts: Ray workers of one core each beside one process with as many threads, and planning long lists.

    python -m benchmarks.parts PHOTOGRAPHS

Needs `pip install '.[ray,benchmarks]'`. Takes a quarter of an hour on two cores.
"""

import datetime as dt
import shutil
import statistics
from pathlib import Path

from benchmarks import photographs
from benchmarks.networks import Network, load_network
from benchmarks.results import publish, table
from benchmarks.timing import run
from cnncli.distribution.compute import PartStats
from cnncli.distribution.join import status
from cnncli.distribution.plan import require_plan
from cnncli.distribution.store import Store
from cnncli.engines.cores import usable_cores

NETWORK = "mobilenetv3_small_100"
IMAGES, PART, ROUNDS = 3_000, 100, 3
LINES = (100_000, 1_000_000, 10_000_000)


def part_stats(network: Network, listing: Path, *options: str) -> list[PartStats]:
    """What is known about the parts of a list after they were computed.

    Args:
        network: that computes them.
        listing: the list.
        options: who computes them.
    """
    place = photographs.CACHE / "parts"
    shutil.rmtree(place, ignore_errors=True)
    fixed = ["-m", str(network.folder), "--files-from", str(listing), "--parts", str(place), "-q"]
    run(["-m", "cnncli", "predict", *fixed, "--part-size", str(PART), *options])
    store = Store(str(place))
    return list(status(require_plan(store), store).done)


def wall_seconds(stats: list[PartStats]) -> float:
    """Seconds from the beginning of the first part to the end of the last one: the time without start-up."""
    ends = [dt.datetime.fromisoformat(part.finished).timestamp() for part in stats]
    starts = [end - part.seconds for end, part in zip(ends, stats, strict=True)]
    return max(ends) - min(starts)


def plan_seconds_and_memory(network: Network, lines: int, files: list[str]) -> tuple[float, int]:
    """Seconds and peak memory in bytes of planning a list, as a whole process."""
    listing, place = photographs.CACHE / "long.txt", photographs.CACHE / "plan"
    shutil.rmtree(place, ignore_errors=True)
    with listing.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{files[number % len(files)]}\n" for number in range(lines))
    options = ["--files-from", str(listing), "--parts", str(place), "--plan-only", "-q"]
    result = run(["-m", "benchmarks.peers.with_peak", "predict", "-m", str(network.folder), *options])
    listing.unlink()
    return result.seconds, int(result.stderr.split()[-1])


def main() -> None:
    """Measure and write the section."""
    source = photographs.parse_arguments(__doc__)
    network, cores = load_network(NETWORK, source), usable_cores()
    files = [str(file) for file in sorted(photographs.copies(source, 1_000).iterdir())]
    listing = photographs.CACHE / "photographs.txt"
    listing.write_text("".join(f"{files[number % len(files)]}\n" for number in range(IMAGES)))
    one, ray = [], []
    for _ in range(ROUNDS):
        one.append(wall_seconds(part_stats(network, listing, "--worker-cpus", str(cores))))
        ray.append(wall_seconds(part_stats(network, listing, "--worker-cpus", "1", "--on", "ray")))
    ratio = statistics.median(b / a for a, b in zip(one, ray, strict=True))
    rows = []
    for lines in LINES:
        seconds, memory = plan_seconds_and_memory(network, lines, files)
        rows.append([f"{lines:,}", f"{seconds:.1f} s", f"{memory / 1e6:.0f} MB"])
    publish(
        "parts",
        "Outputs in parts",
        f"{cores} Ray workers of one core each take {ratio:.2f} times as long as one process with {cores} threads for {IMAGES:,} "
        f"photographs in parts of {PART}, MobileNetV3-small, both without start-up; median of {ROUNDS} alternating rounds, in "
        f"which the process took {statistics.median(one):.1f} s. Target: at most 1.15.\n\n"
        "Planning a list of paths, as a whole process; the same memory for every length is the target.\n\n"
        f"{table(['paths', 'time', 'peak memory'], rows)}",
    )


if __name__ == "__main__":
    main()
