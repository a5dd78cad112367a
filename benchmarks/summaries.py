"""`cnncli summary` beside torchinfo: the same totals, in less time and memory.

    python -m benchmarks.summaries

Needs `pip install '.[benchmarks]'`. torchinfo counts a bias as one multiply-add for each value that it is added to
(convolutions) or once (fully connected layers), and a norm's scales and shifts once; we, as the literature does, count
none of these. What that comes to is worked out from our own rows, and has to be the whole difference.
"""

import json
import math
from typing import Any

from benchmarks.results import publish, table
from benchmarks.timing import Run, in_turn, ratio

ROUNDS = 5
NETWORKS = {"vgg16": 224, "resnet50": 224, "inception_v3": 299, "googlenet": 224}


def extra(found: dict[str, Any]) -> int:
    """What torchinfo adds for biases and norms."""
    total = 0
    for row in found["layers"]:
        if not row["call"]:
            continue
        if row["kernel"]:
            total += row["biases"] * math.prod(row["output"][0][2:])
        elif row["multiply_adds"]:
            total += row["biases"]
        else:
            total += row["parameters"]
    return total


def peak(run: Run) -> int:
    """Bytes of resident memory, which the process itself has written last."""
    return int(run.said.split()[-1])


def main() -> None:
    """Measure, and write the section."""
    rows = []
    for name, side in NETWORKS.items():
        runs = in_turn(
            {
                "cnncli": [
                    "-m",
                    "benchmarks.peers.with_peak",
                    "summary",
                    f"torchvision/{name}",
                    "-f",
                    "json",
                ],
                "torchinfo": ["-m", "benchmarks.peers.torchinfo_totals", name, str(side)],
            },
            ROUNDS,
        )
        ours = json.loads(runs["cnncli"][0].printed)
        parameters, multiply_adds = map(int, runs["torchinfo"][0].printed.split()[:2])
        if parameters != ours["totals"]["parameters"]:
            raise SystemExit(f"{name}: torchinfo counts {parameters:,} parameters")
        difference = multiply_adds - ours["totals"]["multiply_adds"]
        if difference != extra(ours):
            raise SystemExit(
                f"{name}: a difference of {difference:,}, of which {extra(ours):,} are biases and norms"
            )
        memory = peak(runs["torchinfo"][0]) / peak(runs["cnncli"][0])
        rows.append(
            [
                name,
                f"{parameters:,}",
                f"{ours['totals']['multiply_adds']:,}",
                f"{difference:,}",
                f"{ratio(runs['torchinfo'], runs['cnncli']):.2f}",
                f"{memory:.2f}",
            ]
        )
    head = (
        "network",
        "parameters (the same)",
        "multiply-adds",
        "torchinfo's biases and norms",
        "time, torchinfo / cnncli",
        "memory, torchinfo / cnncli",
    )
    publish(
        "summaries",
        "Summaries beside torchinfo",
        f"Whole processes in turn, medians of {ROUNDS} rounds. The multiply-adds of torchinfo are ours and what it adds "
        f"for biases and norms, to the last one.\n\n{table(head, rows)}",
        (),
    )


if __name__ == "__main__":
    main()
