"""`cnncli finetune DATA` with no other option, beside fastai and AutoGluon with the same weights and validation images.

    python -m benchmarks.fine_tuning DATA... --fastai PYTHON --autogluon PYTHON

Each DATA has train/ and val/ with a folder for each class. fastai and AutoGluon want other versions of some packages, so each
has an environment of its own, whose Python is named; a peer that is not named is left out. All start from the same
EfficientNet-Lite0 weights, those of its package, which timm finds in a hub cache that is laid out here. Whole commands, one
after the other, nothing known from an earlier run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import run

EPOCHS = 3
"""Of fastai's `fine_tune`, after one with everything but the last layers frozen."""
MODEL = "tf_efficientnet_lite0.in1k"


@dataclass(frozen=True)
class Outcome:
    """A whole command: percent of the validation images right, and seconds."""

    accuracy: float
    seconds: float


def main() -> None:
    """Train with everything, and write the section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--fastai", metavar="PYTHON")
    parser.add_argument("--autogluon", metavar="PYTHON")
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        hub = _lay_out_hub(Path(cache))
        for data in asked.data:
            outcomes = {
                "cnncli finetune": _cnncli(data),
                "cnncli finetune --tune features": _cnncli(data, "--tune", "features"),
            }
            if asked.fastai:
                outcomes[f"fastai, fine_tune({EPOCHS})"] = _peer(
                    asked.fastai, "fastai_finetune", hub, str(data), str(EPOCHS)
                )
            if asked.autogluon:
                outcomes["AutoGluon MultiModal"] = _peer(
                    asked.autogluon, "autogluon_finetune", hub, str(data)
                )
            rows += _rows(data.name, outcomes)
    peers = " and ".join(_versions(python) for python in (asked.fastai, asked.autogluon) if python)
    publish(
        "fine_tuning",
        "Fine-tuning with no option",
        f"{table(('data', 'command', 'val', 'time', 'time / cnncli finetune'), rows)}\n\n"
        f"EfficientNet-Lite0, the same weights and validation images for all; whole commands, once each. Peers: {peers}. "
        "At least the accuracy of each, in at most half the time of the fastest, is what we want.",
        ("DATA...", "--fastai PYTHON", "--autogluon PYTHON"),
    )


def _rows(name: str, outcomes: Mapping[str, Outcome]) -> list[Sequence[str]]:
    ours = outcomes["cnncli finetune"]
    return [
        (
            name,
            command,
            f"{found.accuracy:.1f} %",
            f"{found.seconds:.0f} s",
            f"{found.seconds / ours.seconds:.2f}",
        )
        for command, found in outcomes.items()
    ]


def _cnncli(data: Path, *options: str) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "benchmarks.peers.fresh_home", "finetune", str(data), *options]
        done = run([*command, "-o", f"{folder}/run", "-f", "json"])
    val = json.loads(done.printed)["val"]
    print(data.name, *options, val, round(done.seconds), file=sys.stderr)
    return Outcome(100 * val["right"] / val["images"], done.seconds)


def _peer(python: str, script: str, hub: Path, *arguments: str) -> Outcome:
    """One of the peers' scripts, in an environment of its own."""
    environment = os.environ | {"HF_HOME": str(hub), "HF_HUB_OFFLINE": "1"}
    started = run(
        ["-c", _RUN_ELSEWHERE, python, str(Path(__file__).with_name("peers") / f"{script}.py"), *arguments],
        environment=environment,
    )
    found = json.loads(started.printed.splitlines()[-1])
    print(script, found, round(started.seconds), file=sys.stderr)
    return Outcome(100 * found["accuracy"], started.seconds)


_RUN_ELSEWHERE = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"


def _lay_out_hub(folder: Path) -> Path:
    """A hub cache that holds the weights under their name there, as safetensors with timm's names."""
    from safetensors.torch import save_file

    from cnncli.networks import zoo
    from cnncli.networks.packaged import packaged
    from cnncli.networks.weights import load_into, read_state_dict
    from cnncli.records.progress import NullProgress

    weights = packaged(MODEL)
    file = weights.find() if weights else None
    if not file:
        raise SystemExit(f"the package with {MODEL} is not installed")
    architecture = zoo.offer(MODEL).architecture
    network = zoo.build(architecture)
    load_into(network, zoo.adapted(read_state_dict(file, NullProgress()), network, architecture), file.name)
    repository = folder / "hub" / f"models--timm--{MODEL}"
    commit = "0" * 40
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()},
        snapshot / "model.safetensors",
    )
    return folder


def _versions(python: str) -> str:
    """The peer's packages, as its own Python knows them."""
    code = (
        "from importlib.metadata import version, PackageNotFoundError\n"
        "for name in ('fastai', 'autogluon.multimodal', 'torch', 'timm'):\n"
        "    try: print(name, version(name))\n"
        "    except PackageNotFoundError: pass\n"
    )
    told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    return ", ".join(told.split("\n")).strip(", ")


if __name__ == "__main__":
    main()
