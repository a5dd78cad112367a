"""A step: micro-batches, memory, layouts, divergence."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from cnncli.data.splits import read_splits
from cnncli.errors import NotANumberError, OutOfMemoryError, TrainingError
from cnncli.images.image_cache import ImageCache
from cnncli.networks.zoo.blueprint_builder import BlueprintNetwork
from cnncli.records.data import Split
from cnncli.records.training import Layout
from cnncli.training.manifest import load_manifest
from cnncli.training.network import checkpoints, loop
from cnncli.training.network.step import TrainingStep
from tests.training.small_runs import (
    DRAWN,
    PLAIN,
    Listener,
    TrainedRun,
    resume_run,
    settings_for,
    start_run,
    train_run,
)


@pytest.mark.slow
def test_micro_batches_give_the_gradients_of_the_batch(data: Path) -> None:
    whole = train_run(settings_for(data, PLAIN)).weights
    assert np.allclose(train_run(settings_for(data, PLAIN, grad_accum_steps=3)).weights, whole, atol=1e-6)


@pytest.mark.slow
def test_memory_layout_and_image_cache_do_not_change_training(data: Path, base: TrainedRun) -> None:
    last = train_run(
        settings_for(data, PLAIN, layout=Layout.CHANNELS_LAST)
    )  # dropout draws in the order of memory
    assert last.checkpoint.constants.layout is Layout.CHANNELS_LAST
    assert np.allclose(last.weights, train_run(settings_for(data, PLAIN)).weights, atol=1e-3)
    assert (train_run(settings_for(data, cache_size=0)).weights == base.weights).all()


def test_the_image_cache_is_bounded(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms: list[int] = []

    def counted(folder: Path, room: int) -> ImageCache:
        rooms.append(room)
        return ImageCache(folder, room)

    monkeypatch.setattr(loop, "ImageCache", counted)
    train_run(settings_for(data, cache_size=10_000))
    assert sum(rooms) == 10_000


def test_a_nan_loss_stops_training_and_keeps_the_checkpoint(data: Path) -> None:
    settings = settings_for(data, lr=900.0, opt="sgd", epochs=30)
    folder = start_run(settings)
    with pytest.raises(NotANumberError, match="no longer a number, in epoch") as lost:
        resume_run(folder, settings)
    assert "--lr below 900" in (lost.value.hint or "")
    progressed = checkpoints.load(folder, lambda _: None)
    assert all(torch.isfinite(value).all() for value in progressed.network.values())


@pytest.mark.slow
def test_out_of_memory_halves_the_micro_batches(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 3

    def forward(self: BlueprintNetwork, images: torch.Tensor) -> Any:
        if self.training and len(images) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(self, images)

    plain = BlueprintNetwork.forward
    whole = train_run(settings_for(data, PLAIN)).weights
    settings = settings_for(data, PLAIN)
    folder = start_run(settings)
    monkeypatch.setattr(BlueprintNetwork, "forward", forward)
    listener = Listener()
    result = resume_run(folder, settings, listener)
    assert result.checkpoint.pieces == 4
    assert np.allclose(result.weights, whole, atol=1e-6)
    assert any("computed in 4 pieces" in line for line in listener.said)
    most = 0
    folder = start_run(settings_for(data, PLAIN))
    with pytest.raises(OutOfMemoryError, match="not even one image"):
        resume_run(folder, settings)


def test_out_of_memory_in_several_processes_is_an_error() -> None:
    """One of them cannot begin its part again while the others wait for it."""
    stub = SimpleNamespace(processes=SimpleNamespace(count=2))
    with pytest.raises(OutOfMemoryError, match="a process has not enough memory"):
        TrainingStep._halve_pieces(stub, RuntimeError("out of memory"))  # type: ignore[arg-type]


POOLED = "input 3x12x12; activation: relu; conv3-6; gap; batchnorm; FC-3"
"""Batch normalisation after global pooling, which gets a single value per channel from each image."""


def record_sizes(patch: pytest.MonkeyPatch) -> list[int]:
    """The number of images that the network is trained on at a time, from now on."""
    sizes: list[int] = []
    plain = BlueprintNetwork.forward

    def record(self: BlueprintNetwork, images: torch.Tensor) -> Any:
        if self.training and torch.is_grad_enabled():
            sizes.append(len(images))
        return plain(self, images)

    patch.setattr(BlueprintNetwork, "forward", record)
    return sizes


@pytest.mark.parametrize("options", [{"batch_size": 7, "grad_accum_steps": 4}, {"batch_size": 2}])
def test_batch_normalisation_never_gets_a_single_image(
    data: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """Batches that cannot be divided evenly, and a batch size that leaves one image over."""
    (data / "warm" / "0.png").unlink()
    settings = settings_for(data, POOLED, epochs=1, **options)
    folder = start_run(settings)
    sizes = record_sizes(monkeypatch)
    resume_run(folder, settings)
    assert min(sizes) >= 2
    manifest = load_manifest(folder)
    data_set = read_splits(folder, manifest.root, manifest.card.class_names, "shades")
    assert sum(sizes) == len(data_set.split(Split.TRAIN))
    assert sum(sizes) % 2 == 1


def test_an_image_is_skipped_if_the_one_beside_it_cannot_be_read(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(data, POOLED, epochs=1, batch_size=2)
    folder = start_run(settings)
    (data / "warm" / "1.png").write_bytes(b"no image")
    sizes = record_sizes(monkeypatch)
    resume_run(folder, settings)
    assert set(sizes) <= {1, 2}


def test_training_on_a_single_image_is_refused_before_the_first_step(data: Path) -> None:
    """Where batch normalisation gets a single value per channel; elsewhere it is possible."""
    with pytest.raises(TrainingError, match="cannot learn from a single image"):
        train_run(settings_for(data, POOLED, batch_size=1))
    train_run(settings_for(data, DRAWN, batch_size=1, epochs=1))


def test_memory_may_not_suffice_for_the_fewest_images(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(self: BlueprintNetwork, images: torch.Tensor) -> Any:
        if self.training and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(self, images)

    plain = BlueprintNetwork.forward
    settings = settings_for(data, POOLED, batch_size=7)
    folder = start_run(settings)
    monkeypatch.setattr(BlueprintNetwork, "forward", forward)
    with pytest.raises(OutOfMemoryError, match="not even 2 images fit"):
        resume_run(folder, settings)
