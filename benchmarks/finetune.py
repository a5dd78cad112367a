"""Transfer learning on features: beside the least that it can take, and beside the script that one would write.

    python -m benchmarks.finetune DATA WEIGHTS

DATA has train/ and val/ with a folder for each class; WEIGHTS are those of torchvision's squeezenet1_0. Whole processes,
each with nothing known from an earlier run, the network prepared. The floor reads every image, sends it through ONNX
Runtime, and imports scikit-learn and onnx. The script is torchvision's SqueezeNet on torch, its features fitted by
scikit-learn's logistic regression, strength by five-fold cross-validation over the same five strengths.
"""

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import in_turn, ratio, run, seconds
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.progress import NullProgress

ROUNDS = 5


def main() -> None:
    """Measure, and write the section."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    data, weights = sys.argv[1:]
    folder = prepare(Reference("squeezenet1_0", Path(weights)), NullProgress())
    rows = []
    with tempfile.TemporaryDirectory() as runs:
        fixed = ["finetune", data, "-m", str(folder.path), "--tune", "features", "-f", "json"]
        fixed += ["-o", f"{runs}/run", "--overwrite"]
        ours = ["-m", "benchmarks.peers.fresh_home", *fixed]
        run(["-m", "cnncli", *fixed])  # so that there is something to overwrite each time
        times = in_turn(
            {
                "logistic": [*ours, "--classifier", "logistic"],
                "auto": ours,
                "again": ["-m", "cnncli", *fixed],
                "floor": ["-m", "benchmarks.peers.bare_embeddings", data, str(folder.path)],
                "script": ["-m", "benchmarks.peers.torch_features", data, weights],
            },
            ROUNDS,
        )
    for name, told in (
        ("logistic", "`--classifier logistic`"),
        ("auto", "`--classifier auto`, all four"),
        ("again", "the same again, features known"),
    ):
        found = json.loads(times[name][0].printed)
        rows.append(
            [
                told,
                f"{100 * found['chosen']['val']['right'] / found['chosen']['val']['images']:.1f} %",
                f"{seconds(times[name]):.1f} s",
                f"{ratio(times[name], times['floor']):.2f}",
                f"{ratio(times['script'], times[name]):.2f}",
            ]
        )
    accuracy = 100 * float(times["script"][0].printed)
    rows.append(["the script", f"{accuracy:.1f} %", f"{seconds(times['script']):.1f} s", "", "1"])
    head = ("finetune --tune features", "val", "time", "time / floor", "script's time / time")
    publish(
        "finetune",
        "Transfer learning on features",
        f"{table(head, rows)}\n\nSqueezeNet 1.0 on {Path(data).name}; whole processes, medians of {ROUNDS} rounds in turn. "
        "At most 1.5 times the floor, and at least 1.5 times as fast as the script with the same classifier, is what we "
        "want.",
        ("DATA", "WEIGHTS"),
    )


if __name__ == "__main__":
    main()
