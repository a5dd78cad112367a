"""Measurements before a run."""

from pathlib import Path

import pytest

from cnncli.records.training import Amp, Layout
from cnncli.training.network import throughput
from tests.training.small_runs import Listener, resume_run, settings_for, train_run


@pytest.mark.slow
def test_auto_measures_throughput_and_finds_a_learning_rate(data: Path) -> None:
    listener = Listener()
    result = train_run(settings_for(data, lr=None, amp=Amp.AUTO, layout=Layout.AUTO), listener)
    assert 1e-7 < result.checkpoint.constants.peak_lr < 1
    assert (result.folder / "lr_range.png").read_bytes().startswith(b"\x89PNG")
    assert any(line.startswith("fastest here: ") for line in listener.said)
    again = resume_run(result.folder, result.settings)
    assert again.checkpoint.constants == result.checkpoint.constants


@pytest.mark.slow
def test_an_emulated_precision_gives_a_warning(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for has, amp in ((True, Amp.BF16), (False, Amp.OFF), (False, Amp.BF16)):
        monkeypatch.setattr(throughput, "has_bf16", lambda _device, has=has: has)
        listener = Listener()
        train_run(settings_for(data, amp=amp, epochs=1), listener)
        assert any("emulates it" in line for line in listener.said) is (amp is Amp.BF16 and not has)
