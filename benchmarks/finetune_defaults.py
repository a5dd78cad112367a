"""`cnncli finetune DATA` with default options, compared with fastai and AutoGluon with the same weights and validation images.

    python -m benchmarks.finetune_defaults DATA... --fastai PYTHON --autogluon PYTHON

Each DATA has train/ and val/ with a folder for each class. fastai and AutoGluon need other versions of some packages, so each
has its own environment, given by its Python; a peer that is not given is left out. All start from the EfficientNet-Lite0
weights of the Python package, which timm finds in a Hub cache that is created here. Whole commands, one after the other, with
nothing cached from an earlier run.
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
from benchmarks.timing import Run, run

EPOCHS = 3
"""Epochs of fastai's `fine_tune`, after one with everything but the last layers frozen."""
MODEL = "tf_efficientnet_lite0.in1k"
_RUN_ELSEWHERE = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"


@dataclass(frozen=True)
class Outcome:
    """A whole command: validation accuracy in percent, and wall time in seconds."""

    accuracy: float
    seconds: float


def main() -> None:
    """Train with every program and write the section."""
    options = _parse_options()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        hub = Path(folder)
        _fill_hub_cache(hub)
        for data in options.data:
            rows += _rows(data.name, _outcomes(data, hub, options.fastai, options.autogluon))
    peers = " and ".join(versions(python) for python in (options.fastai, options.autogluon) if python)
    publish(
        "finetune_defaults",
        "Fine-tuning with default options",
        f"{table(('data', 'command', 'val', 'time', 'time / cnncli finetune'), rows)}\n\n"
        f"EfficientNet-Lite0, the same weights and validation images for all; whole commands, once each. Peers: {peers}. "
        "Target: at least the accuracy of each peer, in at most half the time of the fastest.",
        ("DATA...", "--fastai PYTHON", "--autogluon PYTHON"),
    )


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--fastai", metavar="PYTHON")
    parser.add_argument("--autogluon", metavar="PYTHON")
    return parser.parse_args()


def _outcomes(data: Path, hub: Path, fastai: str | None, autogluon: str | None) -> dict[str, Outcome]:
    outcomes = {
        "cnncli finetune": _run_cnncli(data),
        "cnncli finetune --tune features": _run_cnncli(data, "--tune", "features"),
    }
    if fastai:
        name = f"fastai, fine_tune({EPOCHS})"
        outcomes[name] = _run_peer(fastai, "fastai_finetune", hub, str(data), str(EPOCHS))
    if autogluon:
        outcomes["AutoGluon MultiModal"] = _run_peer(autogluon, "autogluon_finetune", hub, str(data))
    return outcomes


def _rows(data: str, outcomes: Mapping[str, Outcome]) -> list[Sequence[str]]:
    ours = outcomes["cnncli finetune"].seconds
    return [
        (data, command, f"{item.accuracy:.1f} %", f"{item.seconds:.0f} s", f"{item.seconds / ours:.2f}")
        for command, item in outcomes.items()
    ]


def _run_cnncli(data: Path, *options: str) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "benchmarks.peers.fresh_home", "finetune", str(data), *options]
        process = run([*command, "-o", f"{folder}/run", "-f", "json"])
    val = json.loads(process.stdout)["val"]
    print(data.name, *options, val, round(process.seconds), file=sys.stderr)
    return Outcome(100 * val["correct"] / val["images"], process.seconds)


def _run_peer(python: str, script: str, hub: Path, *arguments: str) -> Outcome:
    """Train with one of the peers."""
    process = run_elsewhere(python, script, *arguments, environment={"HF_HOME": str(hub)})
    result = json.loads(process.stdout.splitlines()[-1])
    print(script, result, round(process.seconds), file=sys.stderr)
    return Outcome(100 * result["accuracy"], process.seconds)


def run_elsewhere(python: str, script: str, *arguments: str, environment: Mapping[str, str] = {}) -> Run:
    """Run one of the scripts in peers/ with another environment's Python."""
    file = Path(__file__).with_name("peers") / f"{script}.py"
    return run(["-c", _RUN_ELSEWHERE, python, str(file), *arguments], environment=os.environ | environment)


def _fill_hub_cache(folder: Path) -> None:
    """Write the packaged weights as safetensors with timm's tensor names, laid out as a Hub cache (HF_HOME)."""
    from safetensors.torch import save_file

    from cnncli.networks import zoo
    from cnncli.networks.packaged import find_packaged
    from cnncli.networks.zoo.checkpoint import read_checkpoint
    from cnncli.networks.zoo.weights import load_into
    from cnncli.records.progress import NullProgress

    weights = find_packaged(MODEL)
    file = weights.find() if weights else None
    if not file:
        raise SystemExit(f"the package with {MODEL} is not installed")
    architecture = zoo.offer(MODEL).architecture
    network = zoo.build(architecture)
    load_into(
        network,
        zoo.adapt_weights(read_checkpoint(file, NullProgress()).tensors, network, architecture),
        file.name,
    )
    repository = folder / "hub" / f"models--timm--{MODEL}"
    commit = "0" * 40
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, snapshot / "model.safetensors")


def versions(python: str) -> str:
    """Names and versions of the relevant packages in another environment."""
    code = (
        "from importlib.metadata import version, PackageNotFoundError\n"
        "for name in ('fastai', 'autogluon.multimodal', 'ultralytics', 'torch', 'timm'):\n"
        "    try: print(name, version(name))\n"
        "    except PackageNotFoundError: pass\n"
    )
    output = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    return ", ".join(output.split("\n")).strip(", ")


if __name__ == "__main__":
    main()
