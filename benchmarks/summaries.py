"""`cnncli summary` compared with torchinfo: equal totals, time and memory.

    python -m benchmarks.summaries

Needs `pip install '.[benchmarks]'`. torchinfo counts a bias as one multiply-add per output value (convolutions) or per
output feature (fully connected layers), and the scales and shifts of a normalisation layer once; cnncli, like the literature,
counts none of these. Their number is computed from cnncli's rows, and must explain the whole difference.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.results import publish, table
from benchmarks.timing import Run, median_ratio, run_alternately

ROUNDS = 5
NETWORKS = {"vgg16": 224, "resnet50": 224, "inception_v3": 299, "googlenet": 224}
"""Height and width of the input, by name."""
HEADER = (
    "network",
    "parameters (equal)",
    "multiply-adds",
    "torchinfo's biases and norms",
    "time, torchinfo / cnncli",
    "memory, torchinfo / cnncli",
)


def count_biases_and_norms(layers: Sequence[Mapping[str, Any]]) -> int:
    """Multiply-adds that torchinfo adds for biases and normalisation layers."""
    total = 0
    for layer in layers:
        if not layer["call"]:
            continue
        if layer["kernel"]:
            total += layer["biases"] * math.prod(layer["output"][0][2:])
        elif layer["multiply_adds"]:
            total += layer["biases"]
        else:
            total += layer["parameters"]
    return total


def peak_memory(run: Run) -> int:
    """Peak resident memory in bytes, which the process prints last on stderr."""
    return int(run.stderr.split()[-1])


def main() -> None:
    """Measure and write the section."""
    rows = [_row(name, size) for name, size in NETWORKS.items()]
    publish(
        "summaries",
        "Summaries compared with torchinfo",
        f"Whole processes run alternately, medians of {ROUNDS} rounds. torchinfo's multiply-adds are exactly cnncli's plus "
        f"those of biases and normalisation layers.\n\n{table(HEADER, rows)}",
        (),
    )


def _row(name: str, size: int) -> list[str]:
    """Run both on one network.

    Raises:
        SystemExit: their totals disagree.
    """
    summary = ["-m", "benchmarks.peers.with_peak", "summary", f"torchvision/{name}", "-f", "json"]
    torchinfo = ["-m", "benchmarks.peers.torchinfo_totals", name, str(size)]
    runs = run_alternately({"cnncli": summary, "torchinfo": torchinfo}, ROUNDS)
    ours = json.loads(runs["cnncli"][0].stdout)
    parameters, multiply_adds = map(int, runs["torchinfo"][0].stdout.split()[:2])
    if parameters != ours["totals"]["parameters"]:
        raise SystemExit(f"{name}: torchinfo counts {parameters:,} parameters")
    difference = multiply_adds - ours["totals"]["multiply_adds"]
    expected = count_biases_and_norms(ours["layers"])
    if difference != expected:
        raise SystemExit(f"{name}: differs by {difference:,}, of which {expected:,} are biases and norms")
    return [
        name,
        f"{parameters:,}",
        f"{ours['totals']['multiply_adds']:,}",
        f"{difference:,}",
        f"{median_ratio(runs['torchinfo'], runs['cnncli']):.2f}",
        f"{peak_memory(runs['torchinfo'][0]) / peak_memory(runs['cnncli'][0]):.2f}",
    ]


if __name__ == "__main__":
    main()
