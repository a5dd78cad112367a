"""The end of a run."""

import sys
from pathlib import Path

import pytest

from cnncli.training import run
from tests.training.small_runs import PLAIN, Listener, no_bar, no_show, settings_for


@pytest.mark.slow
def test_a_network_that_learned_nothing_is_reported(data: Path) -> None:
    listener = Listener()
    assert run.finetune(settings_for(data, PLAIN, epochs=1, lr=1e-9), listener, no_bar, no_show)
    assert any("has learned next to nothing: its loss" in line for line in listener.said)


def test_a_run_is_kept_whose_logs_and_curves_cannot_be_written(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.add_scalar", fail)
    monkeypatch.setattr("cnncli.render.curves.curves_png", fail)
    listener = Listener()
    result = run.finetune(settings_for(data, PLAIN), listener, no_bar, no_show)
    assert result
    assert len(result.epochs) == 2
    assert listener.said.count("the log for TensorBoard was not written: broken") == 1
    assert "curves.png was not written: broken" in listener.said
    assert (Path(result.folder) / "report.html").exists()
    assert not (Path(result.folder) / "curves.png").exists()


@pytest.mark.slow
def test_a_run_is_kept_where_tensorboard_cannot_be_imported(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    listener = Listener()
    result = run.finetune(settings_for(data, PLAIN, epochs=1), listener, no_bar, no_show)
    assert result
    assert any("the log for TensorBoard was not written" in line for line in listener.said)
