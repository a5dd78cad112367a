"""`finetune --tune features` compared with its floor, and with a script as people usually write it.

    python -m benchmarks.feature_classifier DATA WEIGHTS

DATA has train/ and val/ with a folder for each class; WEIGHTS are those of torchvision's squeezenet1_0. Whole processes
that start from a prepared network, without cached embeddings. The floor reads every image, runs it through ONNX Runtime, and
imports SciPy's optimiser and onnx. The script computes features with torchvision's SqueezeNet in torch and fits scikit-learn's
logistic regression, its strength chosen by five-fold cross-validation from the same five strengths.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import Run, median_ratio, median_seconds, run, run_alternately
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.progress import NullProgress

ROUNDS = 5
LABELS = {
    "logistic": "`--classifier logistic`",
    "auto": "`--classifier auto`, all four",
    "again": "the same again, embeddings cached",
}


def main() -> None:
    """Measure and write the section."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    data, weights = sys.argv[1:]
    runs = _run_all(data, weights)
    rows = [_row(label, runs, name) for name, label in LABELS.items()]
    accuracy = 100 * float(runs["script"][0].stdout)
    rows.append(["the script", f"{accuracy:.1f} %", f"{median_seconds(runs['script']):.1f} s", "", "1"])
    header = ("finetune --tune features", "val", "time", "time / floor", "script's time / time")
    publish(
        "feature_classifier",
        "Transfer learning on features",
        f"{table(header, rows)}\n\nSqueezeNet 1.0 on {Path(data).name}; whole processes, medians of {ROUNDS} alternating "
        "rounds. Targets: at most 1.5 times the floor, and at least 1.5 times as fast as the script with the same classifier.",
        ("DATA", "WEIGHTS"),
    )


def _run_all(data: str, weights: str) -> dict[str, list[Run]]:
    model = str(prepare(Reference("squeezenet1_0", Path(weights)), NullProgress()).path)
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["finetune", data, "-m", model, "--tune", "features", "-f", "json"]
        arguments += ["-o", f"{folder}/run", "--overwrite"]
        cached, fresh = ["-m", "cnncli", *arguments], ["-m", "benchmarks.peers.fresh_home", *arguments]
        run(cached)  # so that every timed run overwrites a previous one
        return run_alternately(
            {
                "logistic": [*fresh, "--classifier", "logistic"],
                "auto": fresh,
                "again": cached,
                "floor": ["-m", "benchmarks.peers.bare_embeddings", data, model],
                "script": ["-m", "benchmarks.peers.torch_features", data, weights],
            },
            ROUNDS,
        )


def _row(label: str, runs: Mapping[str, Sequence[Run]], name: str) -> list[str]:
    val = json.loads(runs[name][0].stdout)["classifier"]["val"]
    return [
        label,
        f"{100 * val['correct'] / val['images']:.1f} %",
        f"{median_seconds(runs[name]):.1f} s",
        f"{median_ratio(runs[name], runs['floor']):.2f}",
        f"{median_ratio(runs['script'], runs[name]):.2f}",
    ]


if __name__ == "__main__":
    main()
