"""Starting, resuming and finishing runs."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnncli.errors import (
    CnncliError,
    OutputError,
    TrainingError,
    UsageError,
)
from cnncli.records.progress import NullProgress
from cnncli.records.training import Amp, Schedule
from cnncli.training import run, run_folder
from cnncli.training.manifest import load_manifest
from cnncli.training.network import checkpoints
from cnncli.training.resume import resume
from cnncli.training.settings_file import read_settings
from tests.training.small_runs import (
    PLAIN,
    Killed,
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
def test_more_epochs_continue_from_the_last_one(data: Path) -> None:
    actual = train_run(settings_for(data, sched=Schedule.CONSTANT))
    assert actual.checkpoint.epoch == 2
    whole = train_run(settings_for(data, sched=Schedule.CONSTANT, epochs=4))
    result = resume(
        actual.folder, settings_for(data, sched=Schedule.CONSTANT, epochs=4), NullProgress(), no_bar, no_show
    )
    assert result
    assert [epoch.number for epoch in result.epochs] == [1, 2, 3, 4]
    assert (
        checkpoints.load(actual.folder, lambda _: None).network["fc1.weight"]
        == whole.checkpoint.network["fc1.weight"]
    ).all()


@pytest.mark.slow
def test_fewer_epochs_end_a_run_sooner_on_the_shorter_schedule(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = start_run(settings_for(data, sched=Schedule.COSINE, epochs=5))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_before(patch, 2)
        resume_run(folder, settings_for(data, sched=Schedule.COSINE, epochs=5))
    shorter = settings_for(data, sched=Schedule.COSINE, epochs=3)
    result = resume(folder, shorter, NullProgress(), no_bar, no_show)
    assert result
    assert [epoch.number for epoch in result.epochs] == [1, 2, 3]
    assert result.epochs[-1].lr < 0.1 * max(epoch.lr for epoch in result.epochs)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"lr": 0.01}, r"--lr \(was 0.001\)"),
        ({"model": PLAIN}, r"--model \(was "),
        ({"seed": 3}, r"--seed \(was 0\)"),
        ({"mixup": 0.3}, r"--mixup \(was 0.0\)"),
    ],
)
def test_a_run_does_not_resume_with_other_settings(
    data: Path, base: TrainedRun, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(TrainingError, match=complaint):
        resume(base.folder, settings_for(data, **changes), NullProgress(), no_bar, no_show)


def test_a_run_does_not_resume_in_another_folder(data: Path, base: TrainedRun) -> None:
    """And a refusal changes nothing of it."""
    before = (base.folder / "checkpoints" / "manifest.json").read_bytes()
    with pytest.raises(UsageError, match="--output has no effect with --resume"):
        resume(base.folder, settings_for(data, epochs=9, output=Path("x")), NullProgress(), no_bar, no_show)
    assert (base.folder / "checkpoints" / "manifest.json").read_bytes() == before


def test_a_run_that_another_process_writes_is_neither_resumed_nor_replaced(base: TrainedRun) -> None:
    before = sorted(base.folder.rglob("*"))
    with contextlib.ExitStack() as other_process:
        run_folder.lock_run(base.folder, other_process)
        with pytest.raises(OutputError, match="another process is writing"):
            resume(base.folder, base.settings, NullProgress(), no_bar, no_show)
        replacing = replace(base.settings, output=base.folder, overwrite=True)
        with pytest.raises(OutputError, match="another process is writing"):
            run.finetune(replacing, NullProgress(), no_bar, no_show)
    assert sorted(base.folder.rglob("*")) == before


def test_a_run_does_not_resume_with_other_classes(data: Path, base: TrainedRun) -> None:
    (data / "blue").mkdir()
    (data / "blue" / "1.png").write_bytes((data / "cold" / "1.png").read_bytes())
    with pytest.raises(TrainingError, match=r"has other classes than when .* was started, e\.g\. 'blue'"):
        resume(base.folder, base.settings, NullProgress(), no_bar, no_show)


@pytest.mark.slow
def test_a_run_goes_on_where_its_data_was_moved(data: Path, base: TrainedRun) -> None:
    moved = data.rename(data.with_name("elsewhere"))
    with pytest.raises(TrainingError, match="does not exist") as caught:
        resume(base.folder, base.settings, NullProgress(), no_bar, no_show)
    assert caught.value.hint == f"if it was moved: cnncli finetune NEW --resume {base.folder}"
    result = resume(base.folder, settings_for(moved, epochs=3), NullProgress(), no_bar, no_show)
    assert result
    assert len(result.epochs) == 3
    assert load_manifest(base.folder).root == str(moved)
    assert read_settings(base.folder / "settings.toml").options["data"] == str(moved)
    assert resume(base.folder, settings_for(moved, epochs=4), NullProgress(), no_bar, no_show)


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_run_does_not_go_on_with_other_images(data: Path, base: TrainedRun, *, is_missing: bool) -> None:
    before = {file: file.read_bytes() for file in base.folder.rglob("*") if file.is_file()}
    moved = data.rename(data.with_name("elsewhere"))
    image = moved / "cold" / "1.png"
    content = image.read_bytes()
    image.unlink() if is_missing else image.write_bytes(content[:-1] + b"x")
    with pytest.raises(TrainingError, match=r"1 of \d+ are missing or differ, e\.g\. cold/1\.png"):
        resume(base.folder, settings_for(moved), NullProgress(), no_bar, no_show)
    assert {file: file.read_bytes() for file in base.folder.rglob("*") if file.is_file()} == before


def test_a_run_that_cannot_start_leaves_no_folder(data: Path) -> None:
    refused = [
        (settings_for(data, opt="fusedsgd"), "--opt fusedsgd cannot be used"),
        (settings_for(data, amp=Amp.FP16), "--amp fp16 needs a GPU"),
        (settings_for(data, "input 3x4x4; conv5-6 valid; FC-3"), "does not fit"),
    ]
    for settings, complaint in refused:
        with pytest.raises(CnncliError, match=complaint):
            start_run(settings)
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


def test_a_teacher_that_does_not_fit_leaves_no_run(data: Path) -> None:
    with pytest.raises(CnncliError):
        start_run(settings_for(data, kd_model=Path("nobody-has-this")))
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


def test_an_unsupported_optimiser_leaves_no_run(data: Path) -> None:
    with pytest.raises(UsageError, match="--opt adahessian cannot be used: it needs more than the gradients"):
        start_run(settings_for(data, PLAIN, opt="adahessian"))
    assert not list((data.parent / "runs").iterdir())
