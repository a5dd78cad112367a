"""Checkpoints: whole, or not there."""

import dataclasses
from pathlib import Path

import pytest
import torch

from cnncli.errors import (
    OutputError,
    TrainingError,
)
from cnncli.records.training import Amp, Epoch, Layout
from cnncli.training.network import checkpoints
from cnncli.training.network.checkpoints import Checkpoint, RunConstants
from tests.training.small_runs import TrainedRun, resume_run, settings_for, start_run


def test_a_full_disk_keeps_the_previous_checkpoint(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = start_run(settings_for(data))
    before = checkpoints.load(folder, lambda _: None)

    def full(_found: object, file: Path) -> None:
        file.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(
        OutputError, match=r"last\.pt: No space left on device; the previous checkpoint is intact"
    ) as left:
        resume_run(folder, settings_for(data))
    assert f"--resume {folder}" in (left.value.hint or "")
    assert checkpoints.load(folder, lambda _: None).epoch == before.epoch
    assert {file.name for file in (folder / "checkpoints").iterdir()} <= {
        "manifest.json",
        "last.pt",
        "best.safetensors",
        "best_outputs.safetensors",
    }


@pytest.mark.slow
def test_a_disk_that_is_full_at_the_start_does_not_promise_a_checkpoint(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(OutputError, match="No space left on device; training has not started") as caught:
            start_run(settings_for(data, output=Path("run")))
    assert caught.value.hint == "free some space, then start again with --output run --overwrite"
    settings = dataclasses.replace(settings_for(data, output=Path("run")), overwrite=True)
    assert resume_run(start_run(settings), settings).checkpoint.epoch == 2


def test_a_truncated_checkpoint_is_refused(base: TrainedRun) -> None:
    folder = base.folder / "checkpoints"
    whole = (folder / "last.pt").read_bytes()
    (folder / "last.pt").write_bytes(whole[: len(whole) // 2])
    warnings: list[str] = []
    assert checkpoints.load(base.folder, warnings.append).epoch == 1
    assert "is damaged; resuming from before.pt" in warnings[0]
    (folder / "before.pt").unlink()
    with pytest.raises(TrainingError, match=r"no checkpoint of .* can be read"):
        checkpoints.load(base.folder, warnings.append)


def test_the_best_epoch_is_that_with_the_best_mean_over_classes_where_classes_are_weighted() -> None:
    """90 % right with a rare class forgotten, and 82 % right with nearly all of it recognised."""
    plain = [
        Epoch(1, 1e-3, 0.5, 0.9, 0.5, 0.9, 1.0, 100.0),
        Epoch(2, 1e-3, 0.5, 0.8, 0.4, 0.817, 1.0, 100.0),
    ]
    balanced = [
        dataclasses.replace(epoch, val_balanced=share)
        for epoch, share in zip(plain, (0.722, 0.898), strict=True)
    ]
    constants = RunConstants(1e-3, Layout.NCHW, Amp.OFF)
    best = [Checkpoint({}, constants, history=history).best for history in ([], plain, balanced)]
    assert best == [None, plain[0], balanced[1]]
