"""Do other ways to compute cost accuracy: the same network and photographs, right answers counted.

    python -m benchmarks.accuracy PHOTOGRAPHS WEIGHTS

PHOTOGRAPHS has an index.tsv with the columns file and class_index; WEIGHTS are those of torchvision's squeezenet1_0.
"""

import csv
import json
import sys
from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import run
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.progress import NullProgress

WAYS = {
    "ONNX Runtime, fp32": (),
    "torch, fp32": ("--engine", "torch"),
    "torch, bf16": ("--engine", "torch", "--precision", "bf16"),
    "OpenVINO, fp32": ("--engine", "openvino"),
    "OpenVINO, bf16": ("--engine", "openvino", "--precision", "bf16"),
}


def main() -> None:
    """Count, and write the section."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    photographs, weights = map(Path, sys.argv[1:])
    folder = prepare(Reference("squeezenet1_0", weights), NullProgress()).path
    with (photographs / "index.tsv").open(encoding="utf-8") as stream:
        classes = {row["file"]: int(row["class_index"]) for row in csv.DictReader(stream, delimiter="\t")}
    files = [str(photographs / name) for name in classes]
    rows = []
    for name, options in WAYS.items():
        found = run(["-m", "cnncli", "predict", *files, "-m", str(folder), "-f", "json", "-q", *options])
        ranks = [
            [item["index"] for item in answer["predictions"]].index(classes[Path(answer["path"]).name])
            if classes[Path(answer["path"]).name] in [item["index"] for item in answer["predictions"]]
            else 5
            for answer in json.loads(found.printed)
        ]
        rows.append(
            [
                name,
                f"{sum(rank == 0 for rank in ranks)} of {len(ranks)}",
                f"{sum(rank < 5 for rank in ranks)}",
            ]
        )
    publish(
        "accuracy",
        "The same answers from every engine",
        f"{table(('SqueezeNet 1.0', 'right', 'in the top five'), rows)}",
        ("PHOTOGRAPHS", "WEIGHTS"),
    )


if __name__ == "__main__":
    main()
