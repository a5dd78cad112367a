"""Small runs of training, for tests."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnncli.networks.reference import Reference
from cnncli.records.engines import EngineOptions
from cnncli.records.progress import NullProgress
from cnncli.records.training import Amp, Layout, Tune
from cnncli.training import run
from cnncli.training.network import checkpoints, trainer
from cnncli.training.network.batches import Batch
from cnncli.training.network.checkpoints import Checkpoint
from cnncli.training.network.step import TrainingStep
from cnncli.training.preparation import Stopwatch, find_images
from cnncli.training.resolve import resolve
from cnncli.training.settings import NetworkSettings

DRAWN = "input 3x12x12; activation: relu; conv3-6; dropout 0.2; conv3-8/2 batchnorm; FC-16; FC-3"


PLAIN = "input 3x12x12; activation: relu; conv3-6; conv3-8/2; FC-3"

"""Without dropout and batch normalisation."""


BASE = {"epochs": 2, "batch_size": 8, "amp": Amp.OFF, "layout": Layout.NCHW, "warmup_epochs": 0.0}


@dataclasses.dataclass
class TrainedRun:
    """What came of a run."""

    folder: Path
    settings: NetworkSettings
    checkpoint: Checkpoint

    @property
    def weights(self) -> np.ndarray:
        """All of them, in a row."""
        return np.concatenate([value.double().numpy().ravel() for value in self.checkpoint.network.values()])


class Listener(NullProgress):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def notice(self, message: str) -> None:
        self.said.append(message)

    def warning(self, message: str) -> None:
        self.said.append(message)


def settings_for(data: Path, model: str = DRAWN, tune: Tune = Tune.SCRATCH, **given: Any) -> NetworkSettings:
    separate = ("class_weights", "classifier", "layer", "seed", "stages", "output", "columns", "task_weights")
    more = {name: given.pop(name) for name in separate if name in given}
    return NetworkSettings(
        data=data,
        reference=Reference(model),
        tune=tune,
        options=resolve(tune, BASE | given),
        engine_options=EngineOptions(device="cpu"),
        workers=2,
        **more,
    )


def start_run(settings: NetworkSettings, listener: Any = None) -> Path:
    stopwatch = Stopwatch(listener or NullProgress())
    with contextlib.ExitStack() as locks:
        images = find_images(settings, stopwatch, locks)
        result = run.prepare_run(settings, *images, stopwatch, no_bar, is_offline=True)
    assert result.run
    return result.run


def no_bar(_images: int) -> Any:
    return contextlib.nullcontext(lambda: None)


def no_show() -> Any:
    return contextlib.nullcontext(lambda _: None)


def train_run(settings: NetworkSettings, listener: Any = None) -> TrainedRun:
    folder = start_run(settings, listener)
    return resume_run(folder, settings, listener)


def resume_run(folder: Path, settings: NetworkSettings, listener: Any = None) -> TrainedRun:
    trainer.train(folder, settings, listener or NullProgress(), no_show)
    return TrainedRun(folder, settings, checkpoints.load(folder, lambda _: None))


class Killed(BaseException):
    """In place of a process that ends without a word."""


def kill_before(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    real = TrainingStep.__call__

    def kill(self: TrainingStep, batch: Batch) -> tuple[float, float]:
        if self.checkpoint.updates == step:
            raise Killed
        return real(self, batch)

    monkeypatch.setattr(TrainingStep, "__call__", kill)
