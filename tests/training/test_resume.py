"""Runs that torchrun starts again."""

from pathlib import Path

import pytest

from cnncli.errors import DataError, UsageError
from cnncli.records.progress import NullProgress
from cnncli.training.network import trainer
from cnncli.training.resume import find_started
from tests.training.small_runs import Listener, no_show, settings_for, start_run


def test_a_command_that_is_started_again_finds_its_run(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, listener = settings_for(data, output=Path("run")), Listener()
    start_run(settings)
    assert find_started(settings, listener) is None
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    assert find_started(settings, listener) == Path("run")
    assert find_started(settings_for(data, output=Path("other")), listener) is None
    assert not listener.said
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    find_started(settings, listener)
    assert "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1" in listener.said[0]


def test_without_output_it_could_not_be_found(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    with pytest.raises(UsageError, match="torchrun --max-restarts resumes the run in --output"):
        find_started(settings_for(data), NullProgress())


def test_a_machine_without_the_data_is_named(data: Path) -> None:
    settings = settings_for(data)
    run = start_run(settings)
    data.rename(data.with_name("elsewhere"))
    with pytest.raises(DataError, match=r"has no .*shades"):
        trainer.train(run, settings, NullProgress(), no_show)
