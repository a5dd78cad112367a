"""Do other engines and precisions cost accuracy? The same networks and photographs, correct and equal predictions counted.

    python -m benchmarks.accuracy PHOTOGRAPHS WEIGHTS

PHOTOGRAPHS has an index.tsv with the columns file and class_index; WEIGHTS are those of torchvision's squeezenet1_0. The int8
file is exported by `export --quantize int8`; the ranges of its activations come from the same photographs, without labels. Its
speed is the median of runs over batches of 16 random images on all cores, alternating with the fp32 network's.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.photographs import class_indices
from benchmarks.results import publish, table
from benchmarks.timing import run
from cnncli.engines.onnx import OnnxEngine
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
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for reference in references:
            model = prepare(reference, NullProgress())
            int8 = Path(folder) / f"{reference.name}.onnx"
            run(["-m", "cnncli", "export", str(model.path), "-o", str(int8), *_INT8, str(photographs)])
            rows += _rows(reference.name, model.path, int8, photographs, labels)
        speed = _speed(model.require_graph(), prepare(Reference(str(int8)), NullProgress()).require_graph())
    header = ("network", "engine", f"correct, of {len(labels)}", "in the top 5", "top-1 as in the first row")
    publish(
        "accuracy",
        "Accuracy of every engine",
        f"{table(header, rows)}\n\n`--precision auto` is OpenVINO in bf16 here: the processor computes in it. The int8 file of "
        f"{DEFAULT} runs {speed:.2f} times as fast as fp32.",
        ("PHOTOGRAPHS", "WEIGHTS"),
    )


_INT8 = ("--quantize", "int8", "--calibrate")
_SPEED_ROUNDS, _SPEED_IMAGES = 60, 16


def _rows(name: str, model: Path, int8: Path, photographs: Path, labels: dict[str, int]) -> list[list[str]]:
    answers = {engine: _predict(model, photographs, labels, options) for engine, options in ENGINES.items()}
    answers["ONNX Runtime, int8"] = _predict(int8, photographs, labels, ())
    usual, *_ = answers.values()
    rows = []
    for engine, classes in answers.items():
        top1 = sum(classes[file][0] == label for file, label in labels.items())
        top5 = sum(label in classes[file] for file, label in labels.items())
        same = sum(classes[file][0] == usual[file][0] for file in labels)
        rows.append([name, engine, str(top1), str(top5), str(same)])
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


def _speed(fp32: Path, int8: Path) -> float:
    """How many times as fast the second graph is: the median over pairs of runs."""
    pixels = np.random.default_rng(0).normal(size=(_SPEED_IMAGES, 3, 224, 224)).astype(np.float32)
    engines = OnnxEngine(fp32), OnnxEngine(int8)
    ratios = []
    for _ in range(_SPEED_ROUNDS):
        seconds = []
        for engine in engines:
            start = time.perf_counter()
            engine.run(pixels)
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios)


if __name__ == "__main__":
    main()
