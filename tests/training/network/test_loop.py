"""The loop: when it ends, what it reports, and that nothing is lost."""

import contextlib
import dataclasses
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.errors import (
    TrainingError,
    TrainingStopped,
    UsageError,
)
from cnncli.networks.zoo.blueprint_builder import BlueprintNetwork
from cnncli.records.progress import NullProgress
from cnncli.records.training import Keep, Schedule, TrainingProgress, kept_epoch
from cnncli.training import run
from cnncli.training.network import checkpoints, trainer
from cnncli.training.network.batches import Batch
from cnncli.training.network.step import TrainingStep
from cnncli.training.resume import resume
from tests.conftest import press_ctrl_c, some_slow
from tests.training.small_runs import (
    PLAIN,
    Killed,
    Listener,
    TrainedRun,
    kill_before,
    no_bar,
    no_show,
    resume_run,
    settings_for,
    start_run,
    train_run,
)


@pytest.mark.slow
def test_training_ends_by_epochs_patience_or_time(data: Path) -> None:
    assert len(train_run(settings_for(data, epochs=3)).checkpoint.history) == 3
    still: dict[str, Any] = {"lr": 1e-12, "sched": Schedule.CONSTANT}
    patient = train_run(settings_for(data, PLAIN, epochs=9, patience=2, **still))
    assert patient.checkpoint.best
    assert len(patient.checkpoint.history) == patient.checkpoint.best.number + 2 < 9
    listener = Listener()
    hasty = train_run(settings_for(data, epochs=9, time_budget=1e-9), listener)
    assert len(hasty.checkpoint.history) == 1
    assert hasty.checkpoint.updates == 1
    assert any("the --time-budget" in line for line in listener.said)


@pytest.mark.slow
def test_the_last_epoch_can_be_kept_in_place_of_the_best(data: Path) -> None:
    """Steps this large make a network that is good after an epoch worse again."""
    for keep in Keep:
        result = train_run(settings_for(data, PLAIN, epochs=4, patience=1, opt="sgd", lr=1.0, keep=keep))
        history, best = result.checkpoint.history, result.checkpoint.best
        assert best is not history[-1]
        assert kept_epoch(history, keep) is (best if keep is Keep.BEST else history[-1])
        kept, last = checkpoints.load_kept(result.folder), result.checkpoint.network
        assert all(torch.equal(kept[name], last[name]) for name in last) == (keep is Keep.LAST)


@pytest.mark.slow
def test_a_run_that_does_not_record_newer_options_resumes_with_their_defaults(data: Path) -> None:
    settings = settings_for(data, PLAIN, epochs=1)
    folder = train_run(settings).folder
    file = folder / "settings.toml"
    file.write_text(re.sub(r"^(keep|init) = .*\n", "", file.read_text(), flags=re.MULTILINE))
    assert resume(folder, settings, NullProgress(), no_bar, no_show)
    with pytest.raises(TrainingError, match=r"other settings: --keep \(was best\)"):
        resume(folder, settings_for(data, PLAIN, epochs=1, keep=Keep.LAST), NullProgress(), no_bar, no_show)


def test_progressive_resizing_increases_the_image_size(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    real = BlueprintNetwork.forward

    def watch(self: BlueprintNetwork, images: torch.Tensor) -> Any:
        sizes.append((self.training, *images.shape[2:]))
        return real(self, images)

    pooled = "input 3x20x12; activation: relu; conv3-6; conv3-8/2; gap; FC-3"
    settings = settings_for(data, pooled, epochs=5, initial_scale=0.3, mixup=0.5)
    folder = start_run(settings)
    with monkeypatch.context() as patch:
        patch.setattr(BlueprintNetwork, "forward", watch)
        resume_run(folder, settings)
    assert list(dict.fromkeys(size for size in sizes if size[0])) == [
        (True, 8, 4),
        (True, 12, 8),
        (True, 16, 8),
        (True, 20, 12),
    ]
    assert {size for size in sizes if not size[0]} == {(False, 20, 12)}
    with pytest.raises(UsageError, match="images of 8 x 8 pixels, which this network does not accept"):
        start_run(settings_for(data, PLAIN, initial_scale=0.5))
    assert not Path("runs/shades-2").exists()


@pytest.mark.parametrize("step", some_slow([1, 3, 4, 5], [1, 4]))
def test_resume_ends_bit_for_bit_like_an_uninterrupted_run(
    data: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Bit for bit, killed before any checkpoint of its own, within an epoch and at its end."""
    training_options: dict[str, Any] = {
        "model_ema_decay": 0.9,
        "mixup": 0.3,
        "drop": 0.2,
        "reprob": 0.5,
        "epochs": 3,
    }
    whole = train_run(settings_for(data, **training_options))
    folder = start_run(settings_for(data, **training_options))
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_SAVE_EVERY", 0.0)
        patch.setattr(checkpoints, "_SAVING_SHARE", 1e9)
        kill_before(patch, step)
        with pytest.raises(Killed):
            resume_run(folder, settings_for(data, **training_options))
    actual = resume_run(folder, settings_for(data, **training_options))
    assert (actual.weights == whole.weights).all()
    best, expected = checkpoints.load_kept(folder), checkpoints.load_kept(whole.folder)
    assert all(torch.equal(best[name], expected[name]) for name in expected)
    figures = [
        dataclasses.replace(epoch, seconds=0, images_per_second=0) for epoch in actual.checkpoint.history
    ]
    assert figures == [
        dataclasses.replace(epoch, seconds=0, images_per_second=0) for epoch in whole.checkpoint.history
    ]


@pytest.mark.slow
def test_a_run_interrupted_at_the_last_step_of_an_epoch_resumes(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every interrupt is where an epoch is one step."""
    settings = settings_for(data, batch_size=64, epochs=3)
    whole = train_run(settings)
    folder = start_run(settings)
    real = TrainingStep.__call__

    def interrupt(self: TrainingStep, batch: Batch) -> tuple[float, float]:
        result = real(self, batch)
        press_ctrl_c()
        return result

    monkeypatch.setattr(TrainingStep, "__call__", interrupt)
    for _ in range(3):
        with pytest.raises(TrainingStopped):
            resume_run(folder, settings)
    monkeypatch.setattr(TrainingStep, "__call__", real)
    assert (resume_run(folder, settings).weights == whole.weights).all()


def test_an_interrupt_saves_a_checkpoint_and_says_how_to_resume(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = start_run(settings_for(data))
    real = TrainingStep.__call__

    def interrupt(self: TrainingStep, batch: Batch) -> tuple[float, float]:
        result = real(self, batch)
        press_ctrl_c()
        return result

    monkeypatch.setattr(TrainingStep, "__call__", interrupt)
    with pytest.raises(TrainingStopped, match="after step 1") as stopped:
        resume_run(folder, settings_for(data))
    assert stopped.value.exit_code == 130
    assert f"cnncli finetune --resume {folder}" in (stopped.value.hint or "")
    assert checkpoints.load(folder, lambda _: None).step == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_unreadable_images_are_skipped_and_listed(data: Path) -> None:
    (data / "warm" / "broken.png").write_bytes(b"nothing")
    listener = Listener()
    result = run.finetune(settings_for(data, PLAIN, epochs=1), listener, no_bar, no_show)
    assert result
    assert [Path(path).name for path in result.unreadable] == ["broken.png"]
    assert sum(result.images) == 29
    assert sum("broken.png is left out" in line for line in listener.said) == 1
    assert "broken.png" in Path(result.folder, "unreadable.csv").read_text()


def test_training_reports_its_progress(data: Path) -> None:
    moments: list[TrainingProgress] = []

    def show() -> Any:
        return contextlib.nullcontext(moments.append)

    settings = settings_for(data)
    folder = start_run(settings)
    listener = Listener()
    trainer.train(folder, settings, listener, show)
    assert [moment.images for moment in moments[:3]] == [8, 16, 24]
    assert moments[-1].seconds_left == pytest.approx(0)
    assert [len(moment.history) for moment in moments] == [0] * 3 + [1] * 4 + [2]
    header = next(number for number, line in enumerate(listener.said) if line.startswith("epoch  "))
    assert [line.split()[0] for line in listener.said[header + 1 : header + 3]] == ["1", "2"]
    table = (folder / "history.csv").read_text().splitlines()
    assert table[0].startswith("epoch,lr,train_loss,train_top1,val_loss,val_top1")
    assert len(table) == 3
    assert any((folder / "tensorboard").iterdir())


@pytest.mark.slow
def test_tensorboard_has_each_epoch_once_after_a_resume(data: Path, base: TrainedRun) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    time.sleep(
        1.1
    )  # files of one second and one process are told apart by a number, of which 10 is read before 9
    resume(base.folder, settings_for(data, epochs=3), NullProgress(), no_bar, no_show)
    actual = EventAccumulator(str(base.folder / "tensorboard"))
    actual.Reload()
    assert [event.step for event in actual.Scalars("loss/val")] == [1, 2, 3]
