"""Does a GPU answer as the CPU does, and how fast? Predicting, evaluating and training, beside images already in memory.

    python -m benchmarks.gpu [--device cuda]

Takes less than eight minutes and needs nothing but the images of this repository. Ends with exit code 1 if an answer of the GPU
is too far from that of the CPU. It has not been run on a GPU so far: `--device cpu` tries the script itself, on tiny settings.
"""

import argparse
import csv
import functools
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import timm
import torch

from benchmarks import photographs
from benchmarks.results import publish, table
from benchmarks.timing import run
from cnncli.engines import onnx
from cnncli.engines.select import open_engine
from cnncli.errors import CnncliError
from cnncli.images.preprocess import Pixels
from cnncli.images.sources import sources
from cnncli.inference import ImageOutput, Session
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.defaults import DEFAULT
from cnncli.records.engines import EngineName, EngineOptions, InferenceOptions, Precision
from cnncli.records.progress import NullProgress
from cnncli.records.training import Amp, Layout
from cnncli.training.network.throughput import measure_throughput

IMAGES = Path(__file__).parents[1] / "sample_images"
LABELLED = IMAGES / "labelled"

TOLERANCES = {Precision.FP32: 1e-3, Precision.FP16: 0.02, Precision.BF16: 0.2}
"""Largest difference of a probability from that of the CPU in fp32."""
LEAST_SAME = 0.9
"""Least share of images with the same class as on the CPU."""
LOSS_TOLERANCE = 0.1
"""Largest relative difference of the first epoch's training loss from that of the CPU in fp32."""
ACCURACY_TOLERANCE = 0.02
"""Largest difference of an accuracy from that of the CPU in fp32."""


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        model: predicts and is evaluated.
        photographs: how many are predicted for the throughput.
        seconds: of computing on images in memory.
        network: is trained from random weights.
        image_size: height and width that it is trained on, in pixels.
        copies: of each labelled image that it learns from.
        epochs: of each training run.
    """

    model: str = DEFAULT
    photographs: int = 4000
    seconds: float = 3.0
    network: str = "resnet18"
    image_size: int = 128
    copies: int = 8
    epochs: int = 3


TINY = Scale("pocket", 20, 0.1, "test_resnet", 32, 1, 1)
"""For a machine without a GPU."""


@dataclass(frozen=True)
class Checked:
    """A row of a table, and whether the GPU's answers are close enough to those of the CPU."""

    cells: tuple[str, ...]
    is_close: bool

    @property
    def row(self) -> list[str]:
        """The cells and the verdict."""
        return [*self.cells, "yes" if self.is_close else "**no**"]


# ---- predicting


def check_predicting(device: str, scale: Scale) -> Iterator[Checked]:
    """Compare each engine and precision of a device with ONNX Runtime on the CPU."""
    folder = prepare(Reference(scale.model), NullProgress())
    expected = _probabilities(_open(folder, EngineOptions(EngineName.ONNX, "cpu")), IMAGES)
    many = photographs.copies(IMAGES, scale.photographs)
    for options in _engines(device):
        name = f"{options.engine}, {options.precision}"
        try:
            yield _check_engine(name, folder, options, expected, many, scale.seconds)
        except CnncliError as error:
            yield Checked((name, error.message, "", "", "", ""), is_close=False)


def _engines(device: str) -> Iterator[EngineOptions]:
    if device == "cpu" or onnx.has_cuda():
        yield EngineOptions(EngineName.ONNX, device)
    for precision in TOLERANCES:
        if device != "cpu" or precision is not Precision.FP16:  # CPUs only emulate it
            yield EngineOptions(EngineName.TORCH, device, precision)


def _check_engine(
    name: str, folder: ModelFolder, options: EngineOptions, expected: Pixels, many: Path, seconds: float
) -> Checked:
    session = _open(folder, options)
    found = _probabilities(session, IMAGES)
    same = int((found.argmax(1) == expected.argmax(1)).sum())
    difference = float(np.abs(found - expected).max())
    start = time.perf_counter()
    rate = len(_probabilities(session, many)) / (time.perf_counter() - start)
    synthetic = _synthetic_rate(folder, options, seconds)
    cells = (name, f"{same} of {len(expected)}", f"{difference:.1e}", f"{rate:,.0f}", f"{synthetic:,.0f}")
    is_close = same >= LEAST_SAME * len(expected) and difference <= TOLERANCES[options.precision]
    return Checked((*cells, f"{rate / synthetic:.2f}"), is_close)


def _open(folder: ModelFolder, options: EngineOptions) -> Session:
    return Session(folder, InferenceOptions(options), NullProgress())


def _probabilities(session: Session, images: Path) -> Pixels:
    """Probabilities (N, K) of the readable images of a folder."""
    outputs = session.probabilities(sources([str(file) for file in photographs.jpegs(images)]))
    return np.stack([output.values for output in outputs if isinstance(output, ImageOutput)])


def _synthetic_rate(folder: ModelFolder, options: EngineOptions, seconds: float) -> float:
    """Images per second of an engine on a batch in memory."""
    engine, preprocessing = open_engine(folder, options, NullProgress()), folder.card.preprocessing
    shape = (engine.batch_size, preprocessing.channels, *preprocessing.size)
    pixels = np.random.default_rng(0).random(shape, np.float32)
    engine.run(pixels)
    batches, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        engine.run(pixels)
        batches += 1
    return batches * len(pixels) / (time.perf_counter() - start)


# ---- evaluating


def check_evaluating(model: Path | str, data: Path, device: str) -> Checked:
    """Compare the accuracy of a network on a device with that on the CPU."""
    here, there = (_accuracy(model, data, place) for place in (device, "cpu"))
    cells = (str(getattr(model, "name", model)), f"{here:.1%}", f"{there:.1%}")
    return Checked(cells, abs(here - there) <= ACCURACY_TOLERANCE)


@functools.cache
def _accuracy(model: Path | str, data: Path, device: str) -> float:
    options = ["--device", device, "-f", "json", "-q"]
    result = run(["-m", "cnncli", "evaluate", str(data), "-m", str(model), *options])
    return float(json.loads(result.stdout)["top1"])


# ---- training


def check_training(device: str, scale: Scale, folder: Path) -> Iterator[tuple[Checked, Checked]]:
    """Train in each precision, and evaluate what was trained; both compared with the CPU.

    Args:
        device: to train on.
        scale: how much.
        folder: for the data and the runs.
    """
    data = _labelled_copies(folder / "labelled", scale.copies)
    expected, _ = _train(data, folder / "cpu", "cpu", Amp.OFF, scale)
    for amp, processes in _ways(device):
        output = folder / f"{amp}-{processes}"
        loss, rate = _train(data, output, device, amp, scale, processes)
        synthetic = _training_rate(device, amp, scale) * processes
        name = f"{'fp32' if amp is Amp.OFF else amp}, {processes} process{'es' * (processes > 1)}"
        cells = (name, f"{loss:.3f}", f"{expected:.3f}", f"{rate:,.0f}", f"{synthetic:,.0f}")
        trained = Checked(cells, abs(loss - expected) <= LOSS_TOLERANCE * expected)
        yield trained, check_evaluating(output, data, device)


def _ways(device: str) -> Iterator[tuple[Amp, int]]:
    """Precisions and numbers of processes to train with; a CPU stands for two devices."""
    amps = (Amp.OFF, Amp.BF16) if device == "cpu" else (Amp.OFF, Amp.BF16, Amp.FP16)
    yield from ((amp, 1) for amp in amps)
    if device == "cpu" or torch.cuda.device_count() > 1:
        yield Amp.BF16, 2


def _labelled_copies(folder: Path, copies: int) -> Path:
    """The labelled images of the repository, each several times."""
    for file in sorted(LABELLED.glob("*/*.jpg")):
        (folder / file.parent.name).mkdir(parents=True, exist_ok=True)
        for number in range(copies):
            shutil.copy(file, folder / file.parent.name / f"{file.stem}-{number}.jpg")
    return folder


def _train(
    data: Path, output: Path, device: str, amp: Amp, scale: Scale, processes: int = 1
) -> tuple[float, float]:
    """Training loss of the first epoch, and images per second of the last."""
    size, epochs = str(scale.image_size), str(scale.epochs)
    options = ["--tune", "scratch", "--img-size", size, "--epochs", epochs, "-b", "32", "-q"]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    chosen = ["--device", device, "--amp", str(amp), "--layout", str(Layout.CHANNELS_LAST), "-o", str(output)]
    command = ["-m", "cnncli", "finetune", str(data), "-m", scale.network, *options, *chosen]
    run([*launcher, *command] if processes > 1 else command)
    with (output / "history.csv").open() as stream:
        first, *_, last = [*csv.DictReader(stream)] * 2
    return float(first["train_loss"]), float(last["images_per_second"])


def _training_rate(device: str, amp: Amp, scale: Scale) -> float:
    """Images per second of forward and backward passes on a batch in memory."""
    network = timm.create_model(scale.network, num_classes=len(list(LABELLED.iterdir()))).train()
    shape = (3, scale.image_size, scale.image_size)
    (measured,) = measure_throughput(network, shape, 32, [(Layout.CHANNELS_LAST, amp)], torch.device(device))
    return measured.images_per_second


# ---- the table


def main() -> None:
    """Check and measure; write the section, unless the CPU stands in for a GPU."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, or cpu to try the script itself")
    device: str = parser.parse_args().device
    if device != "cpu" and not torch.cuda.is_available():
        print("torch finds no GPU; --device cpu tries this script on tiny settings")
        return
    scale = TINY if device == "cpu" else Scale()
    predicted = list(check_predicting(device, scale))
    with tempfile.TemporaryDirectory() as folder:
        trained, evaluated = zip(*check_training(device, scale, Path(folder)), strict=True)
    evaluated = (check_evaluating(scale.model, LABELLED, device), *evaluated)
    text = _text(predicted, evaluated, trained)
    if device == "cpu":
        print(text)
    else:
        publish("gpu", "On a GPU", text, ("--device", device))
    sys.exit(0 if all(item.is_close for item in (*predicted, *evaluated, *trained)) else 1)


def _text(predicted: list[Checked], evaluated: tuple[Checked, ...], trained: tuple[Checked, ...]) -> str:
    rates = ("images/s", "images/s in memory")
    headers = {
        (
            "predict",
            "same class as the CPU",
            "largest difference of a probability",
            *rates,
            "share",
        ): predicted,
        ("evaluate", "accuracy", "on the CPU"): evaluated,
        ("finetune", "loss of the first epoch", "on the CPU, fp32", *rates): trained,
    }
    return "\n\n".join(
        table((*header, "close enough"), [item.row for item in items]) for header, items in headers.items()
    )


if __name__ == "__main__":
    main()
