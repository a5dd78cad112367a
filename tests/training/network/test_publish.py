"""The end of a run."""

from pathlib import Path

from cnncli.training import run
from tests.training.small_runs import PLAIN, Listener, no_bar, no_show, settings_for


def test_a_network_that_learned_nothing_is_reported(data: Path) -> None:
    listener = Listener()
    assert run.finetune(settings_for(data, PLAIN, epochs=1, lr=1e-9), listener, no_bar, no_show)
    assert any("has learned next to nothing: its loss" in line for line in listener.said)
