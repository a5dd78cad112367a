"""The whole command that trains a ResNet-18 from random weights, compared with Ultralytics classify.

    python -m benchmarks.whole_training DATA --ultralytics PYTHON

DATA has train/ and val/ with a folder for each class. Ultralytics has its own environment, given by its Python. Both train
torchvision's ResNet-18 on images of 224 x 224 pixels for 3 epochs with batches of 32; Ultralytics puts a convolution of 1,280
channels before the classifier (5 % more weights). The commands run one after the other, from the prompt to the prompt, with
everything that they write at the end; cnncli on a terminal, which shows when its last line appears. cnncli has an empty cache
in each round, so it measures the fastest layout and precision each time. Ultralytics computes in fp32 on a CPU; cnncli with
`--amp off` does, too.
"""

import argparse
import os
import re
import statistics
import tempfile
from pathlib import Path

from benchmarks.finetune_defaults import run_elsewhere, versions
from benchmarks.results import publish, table
from benchmarks.silence import Silence, run_on_terminal
from benchmarks.timing import Run, median_ratio, median_seconds, offline

EPOCHS, ROUNDS = 3, 3


def main() -> None:
    """Train with both and write the section."""
    options = _parse_options()
    terminals, terminals_in_fp32, theirs = [], [], []
    for _ in range(ROUNDS):
        terminals.append(_run_cnncli(options.data))
        terminals_in_fp32.append(_run_cnncli(options.data, "--amp", "off"))
        theirs.append(
            run_elsewhere(options.ultralytics, "ultralytics_training", str(options.data), str(EPOCHS))
        )
    ours = [_as_run(item) for item in terminals]
    in_fp32 = [_as_run(item) for item in terminals_in_fp32]
    training = [_training_seconds(item) for item in ours]
    ending = statistics.median(item.ending for item in terminals)
    around = sorted(item.seconds - seconds for item, seconds in zip(ours, training, strict=True))
    choices = " or ".join(sorted(set(map(_fastest, ours))))
    rows = [
        ("cnncli finetune", f"{median_seconds(ours):.0f} s", "1"),
        (
            "cnncli finetune --amp off",
            f"{median_seconds(in_fp32):.0f} s",
            f"{median_ratio(in_fp32, ours):.2f}",
        ),
        ("yolo classify train", f"{median_seconds(theirs):.0f} s", f"{median_ratio(theirs, ours):.2f}"),
    ]
    publish(
        "whole_training",
        "A whole training command",
        f"{table(('command', 'time', 'time / cnncli finetune'), rows)}\n\nResNet-18 from random weights, {EPOCHS} epochs of "
        f"{options.data.name}, medians of {ROUNDS} rounds. {around[ROUNDS // 2]:.1f} s of cnncli's are around the training: "
        f"imports, the choice of a memory layout, writing. The prompt comes {ending:.2f} s after the last line. cnncli chose "
        f"{choices}; Ultralytics computes in fp32. Peer: {versions(options.ultralytics)}. Targets: at most 0.7 of "
        "Ultralytics, at most 12 s around the training, and the prompt within 0.3 s.",
        ("DATA", "--ultralytics PYTHON"),
    )


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--ultralytics", metavar="PYTHON", required=True)
    return parser.parse_args()


def _as_run(command: Silence) -> Run:
    return Run(command.seconds, command.output.replace("\r", ""), "")


def _run_cnncli(data: Path, *extra: str) -> Silence:
    with tempfile.TemporaryDirectory() as folder:
        options = (
            "-m",
            "resnet18",
            "--tune",
            "scratch",
            "--epochs",
            str(EPOCHS),
            "-b",
            "32",
            "-o",
            f"{folder}/run",
            *extra,
        )
        result = run_on_terminal(
            ["-m", "cnncli", "finetune", str(data), *options],
            environment=offline({**os.environ, "CNNCLI_HOME": f"{folder}/home"}),
        )
    if result.code:
        raise SystemExit(f"finetune failed:\n{result.output}")
    return result


def _training_seconds(command: Run) -> float:
    """The seconds of the training itself, from the table of times."""
    (seconds,) = re.findall(r"([\d.]+) s  training$", command.stdout, re.MULTILINE)
    return float(seconds)


def _fastest(command: Run) -> str:
    """The memory layout and precision that the command chose, such as "channels-last bf16"."""
    (choice,) = re.findall(r"fastest here: (.+?) [\d.,]+ img/s", command.stdout)
    return str(choice)


if __name__ == "__main__":
    main()
