"""Do other engines and precisions cost accuracy? The same networks and photographs, correct and equal predictions counted.

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
from cnncli.records.defaults import DEFAULT
from cnncli.records.progress import NullProgress

ENGINES = {
    "ONNX Runtime, fp32": (),
    "torch, fp32": ("--engine", "torch"),
    "torch, bf16": ("--engine", "torch", "--precision", "bf16"),
    "OpenVINO, fp32": ("--engine", "openvino"),
    "OpenVINO, bf16": ("--engine", "openvino", "--precision", "bf16"),
    "`--precision auto`": ("--precision", "auto"),
}
"""Options of `predict`, by name; the first is what the others are compared with."""


def main() -> None:
    """Count predictions of each network with each engine and write the section."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    photographs, weights = map(Path, sys.argv[1:])
    labels = class_indices(photographs)
    references = (Reference("squeezenet1_0", weights), Reference(DEFAULT))
    rows = [row for reference in references for row in _rows(reference, photographs, labels)]
    header = ("network", "engine", f"correct, of {len(labels)}", "in the top 5", "top-1 as in the first row")
    publish(
        "accuracy",
        "Accuracy of every engine",
        f"{table(header, rows)}\n\n`--precision auto` is OpenVINO in bf16 here: the processor computes in it.",
        ("PHOTOGRAPHS", "WEIGHTS"),
    )


def _rows(reference: Reference, photographs: Path, labels: dict[str, int]) -> list[list[str]]:
    model = prepare(reference, NullProgress()).path
    answers = {name: _predict(model, photographs, labels, options) for name, options in ENGINES.items()}
    usual, *_ = answers.values()
    rows = []
    for engine, classes in answers.items():
        top1 = sum(classes[file][0] == label for file, label in labels.items())
        top5 = sum(label in classes[file] for file, label in labels.items())
        same = sum(classes[file][0] == usual[file][0] for file in labels)
        rows.append([reference.name, engine, str(top1), str(top5), str(same)])
    return rows


def _predict(
    model: Path, photographs: Path, labels: dict[str, int], options: Sequence[str]
) -> dict[str, list[int]]:
    """The five most probable classes of each photograph, by file name."""
    files = [str(photographs / file) for file in labels]
    result = run(["-m", "cnncli", "predict", *files, "-m", str(model), "-f", "json", "-q", *options])
    return {
        Path(record["path"]).name: [prediction["index"] for prediction in record["predictions"]]
        for record in json.loads(result.stdout)
    }


if __name__ == "__main__":
    main()
