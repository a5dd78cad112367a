"""When training ends early."""

from types import SimpleNamespace

import pytest

from cnncli.records.training import Amp, Epoch, Layout, Tune
from cnncli.training.network.checkpoints import Checkpoint, RunConstants
from cnncli.training.network.stopping import EarlyStopping
from cnncli.training.resolve import resolve


@pytest.mark.parametrize(("to_beat", "is_stopped"), [(0.75, False), (0.9, True)])
def test_the_mean_over_classes_has_to_beat_the_classifier_on_features(
    to_beat: float, *, is_stopped: bool
) -> None:
    history = [Epoch(n, 1e-3, 0.5, 0.9, 0.5, 0.7, 1.0, 100.0, val_balanced=0.8) for n in (1, 2, 3, 4)]
    checkpoint = Checkpoint({}, RunConstants(1e-3, Layout.NCHW, Amp.OFF), history=history)
    options = resolve(Tune.FULL, {})
    meter = SimpleNamespace(seconds=0.0)
    processes = SimpleNamespace(any=lambda *, condition: condition)
    stopping = EarlyStopping(options, to_beat, checkpoint, meter, processes)  # type: ignore[arg-type]
    assert bool(stopping.reason()) == is_stopped
