"""TrainingOptions: what they are when nobody says, and what is refused."""

from pathlib import Path
from typing import Any, get_type_hints

import pytest

from cnncli.cli.levers import LeverOptions
from cnncli.errors import UsageError
from cnncli.images.augment import PRESETS
from cnncli.records.augmentation import Strength
from cnncli.records.training import Schedule, Tune
from cnncli.training import options as levers
from cnncli.training.options import chosen


def test_every_lever_has_an_option_and_every_option_a_lever() -> None:
    assert set(get_type_hints(LeverOptions)) == set(levers.NAMES) - {"batch_size"}


def test_what_is_usual_depends_on_the_way_of_training() -> None:
    head, full, scratch = (chosen(tune, {}) for tune in (Tune.HEAD, Tune.FULL, Tune.SCRATCH))
    assert head
    assert full
    assert scratch
    assert full.layer_decay < 1 == scratch.layer_decay
    assert scratch.epochs > full.epochs
    assert chosen(Tune.FEATURES, {"batch_size": 8}) is None
    sgd = chosen(Tune.FULL, {"opt": "sgd"})
    assert sgd
    assert full.lr
    assert sgd.lr == pytest.approx(20 * full.lr)


def test_a_preset_is_changed_by_what_is_said_beside_it() -> None:
    found = chosen(Tune.FULL, {"augment": Strength.STRONG, "hflip": 0.0})
    assert found
    assert found.augmentation.hflip == 0
    assert found.augmentation.aa is PRESETS[Strength.STRONG].aa


@pytest.mark.parametrize(
    ("tune", "given", "complaint"),
    [
        (Tune.FEATURES, {"epochs": 3}, "--epochs: no effect with --tune features"),
        (Tune.HEAD, {"layer_decay": 0.5}, "--layer-decay has no effect with --tune head"),
        (Tune.HEAD, {"drop_path": 0.5}, "--drop-path has no effect"),
        (Tune.FULL, {"decay_rate": 0.5}, "--decay-rate needs --sched step"),
        (Tune.FULL, {"kd_weight": 0.5}, "--kd-weight needs --kd-model"),
        (Tune.FULL, {"mixup_off_epoch": 3}, "--mixup-off-epoch needs --mixup or --cutmix"),
        (Tune.FULL, {"momentum": 0.5}, "--momentum needs an optimiser that has it"),
        (Tune.SCRATCH, {"lr": 0.01, "min_lr": 0.1}, "--min-lr is above --lr, 0.01, and"),
        (Tune.SCRATCH, {"min_lr": 0.1}, "--min-lr is above --lr, 0.001, and"),
        (Tune.FULL, {"sched": Schedule.CONSTANT, "min_lr": 0.1}, "--min-lr needs a --sched that falls"),
        (Tune.FULL, {"sched": Schedule.ONE_CYCLE, "warmup_epochs": 1.0}, "--warmup-epochs needs another"),
        (Tune.FULL, {"lr": 0.0}, "--lr is a number above 0"),
        (Tune.FULL, {"lr": -1.0}, "--lr is a number above 0"),
        (Tune.FULL, {"lr": float("inf")}, "--lr is a number above 0"),
        (Tune.FULL, {"epochs": 0}, "--epochs is a number from 1"),
        (Tune.FULL, {"smoothing": float("nan")}, "--smoothing is a number from 0"),
        (Tune.FULL, {"scale": (0.9, 0.5)}, "--scale has its smaller number first"),
        (Tune.FULL, {"scale": (0.0, 0.5)}, "--scale is two shares"),
        (Tune.FULL, {"hflip": 1.5}, "--hflip is a number from 0 to 1"),
    ],
)
def test_what_has_no_effect_or_no_sense_is_refused(tune: Tune, given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError) as refused:
        chosen(tune, given)
    assert complaint in refused.value.message


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(UsageError, match=r"--lr is .*; --epochs is "):
        chosen(Tune.FULL, {"lr": -1.0, "epochs": 0})


def test_what_is_written_down_can_be_read_again() -> None:
    """An option that has no effect beside the others must not stand in settings.toml."""
    found = chosen(Tune.FULL, {"sched": Schedule.ONE_CYCLE, "kd_model": Path("x")})
    assert found
    assert not levers.is_in_effect("warmup_epochs", found)
    assert levers.is_in_effect("kd_weight", found)


def test_mixing_to_the_end_needs_no_mixing() -> None:
    """So that settings with mixing, up to an epoch or not, can be taken over without it."""
    found = chosen(Tune.FULL, {"cutmix": 0.0, "mixup_off_epoch": 0})
    assert found
    assert not any(found.mixes(epoch) for epoch in range(3))
    assert levers.is_in_effect("mixup_off_epoch", found)
