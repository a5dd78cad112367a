"""Do other engines and precisions cost accuracy? The same network and photographs, correct predictions counted.

    python -m benchmarks.accuracy PHOTOGRAPHS WEIGHTS

PHOTOGRAPHS has an index.tsv with the columns file and class_index; WEIGHTS are those of torchvision's squeezenet1_0.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.photographs import class_indices
from benchmarks.results import publish, table
from benchmarks.timing import run
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.progress import NullProgress

ENGINES = {
    "ONNX Runtime, fp32": (),
    "torch, fp32": ("--engine", "torch"),
    "torch, bf16": ("--engine", "torch", "--precision", "bf16"),
    "OpenVINO, fp32": ("--engine", "openvino"),
    "OpenVINO, bf16": ("--engine", "openvino", "--precision", "bf16"),
}
"""Options of `predict`, by name."""


def main() -> None:
    """Count correct predictions of each engine and write the section."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    photographs, weights = map(Path, sys.argv[1:])
    model = prepare(Reference("squeezenet1_0", weights), NullProgress()).path
    labels = class_indices(photographs)
    rows = [_row(name, photographs, labels, model, options) for name, options in ENGINES.items()]
    publish(
        "accuracy",
        "Accuracy of every engine",
        table(("SqueezeNet 1.0", "top-1", "top-5"), rows),
        ("PHOTOGRAPHS", "WEIGHTS"),
    )


def _row(
    name: str, photographs: Path, labels: dict[str, int], model: Path, options: Sequence[str]
) -> list[str]:
    files = [str(photographs / file) for file in labels]
    result = run(["-m", "cnncli", "predict", *files, "-m", str(model), "-f", "json", "-q", *options])
    top1 = top5 = 0
    for record in json.loads(result.stdout):
        label = labels[Path(record["path"]).name]
        indices = [prediction["index"] for prediction in record["predictions"]]
        top1 += indices[0] == label
        top5 += label in indices
    return [name, f"{top1} of {len(files)}", str(top5)]


if __name__ == "__main__":
    main()
