"""Training options: their defaults, their help, and what is refused."""

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from timm.optim._optim_factory import list_optimizers

from cnncli.cli.finetune import finetune
from cnncli.errors import UsageError
from cnncli.records.augmentation import PRESETS, Strength
from cnncli.records.training import RecipeName, Schedule, Tune
from cnncli.training import optimizer_names, options
from cnncli.training.options import TrainingOptions, optimizer_family
from cnncli.training.recipes import RECIPES
from cnncli.training.resolve import default_text, is_in_effect, require_no_training_options, resolve


def test_the_command_offers_every_option() -> None:
    offered = inspect.signature(finetune).parameters
    assert set(options.declarations()) <= set(offered)
    assert all(offered[name].default is None for name in options.declarations())


def test_defaults_depend_on_what_is_trained() -> None:
    head, full, scratch = (resolve(tune, {}) for tune in (Tune.HEAD, Tune.FULL, Tune.SCRATCH))
    assert full.layer_decay < 1 == scratch.layer_decay == head.layer_decay
    assert (full.epochs, scratch.epochs) == (10, 30)
    assert (head.weight_decay, full.weight_decay) == (1e-4, 0.05)
    auto = resolve(Tune.AUTO, {})
    assert auto == replace(full, time_budget=15, batch_size=16)
    assert full == TrainingOptions()


def test_defaults_depend_on_the_optimiser() -> None:
    adamw, sgd, lion = (resolve(Tune.FULL, {"opt": opt}) for opt in ("adamw", "sgd", "lion"))
    assert (adamw.lr, sgd.lr, lion.lr) == pytest.approx((3e-4, 6e-3, 6e-5))
    assert (adamw.weight_decay, sgd.weight_decay, lion.weight_decay) == (0.05, 5e-4, 0.05)
    assert resolve(Tune.FULL, {"opt": "rmsprop"}).weight_decay == 0
    assert resolve(Tune.FULL, {"opt": "sgd", "lr": 0.1}).lr == 0.1


def test_an_optimiser_in_lookahead_or_in_capitals_has_its_own_defaults() -> None:
    assert optimizer_family("lookahead_SGD") is optimizer_family("sgd")


def test_an_unknown_optimiser_is_refused_unless_another_timm_may_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UsageError, match="no optimiser of that name"):
        resolve(Tune.FULL, {"opt": "lookahead_sgdd"})
    assert resolve(Tune.FULL, {"opt": "lookahead_SGD"}).weight_decay == 5e-4
    monkeypatch.setattr(optimizer_names, "VERSION", "0.1")
    assert resolve(Tune.FULL, {"opt": "newest"}).opt == "newest"


def test_every_optimiser_of_timm_has_a_family() -> None:
    """Weight decay is high where it is decoupled, as the final w of a name says."""
    for opt in map(str, list_optimizers()):
        family = optimizer_family(opt)
        assert (family.weight_decay == 0.05) == (opt.endswith("w") or opt.startswith("lion")), opt
        assert (family.lr_factor == 20) == opt.startswith(("sgd", "nesterov", "momentum", "lars")), opt
    for family in options.OPTIMIZER_FAMILIES:
        assert optimizer_family(family.example) is family


def test_the_help_shows_the_effective_defaults() -> None:
    assert default_text("epochs") == "10; scratch 30"
    assert default_text("lr").startswith("0.0003; head 0.002; scratch 0.001; sgd")
    assert default_text("weight_decay") == "0.05; sgd 0.0005; adam, rmsprop 0; head 0.0001"
    assert default_text("layer_decay") == "0.75; scratch 1"
    assert default_text("reprob") == "0; medium 0.1; strong 0.25"
    assert default_text("compile") == ""
    assert default_text("cache_size") == "a quarter of the free memory"


def test_options_override_parts_of_a_preset() -> None:
    augmentation = resolve(Tune.FULL, {"augment": Strength.STRONG, "hflip": 0.0}).augmentation
    assert augmentation.hflip == 0
    assert augmentation.aa is PRESETS[Strength.STRONG].aa
    assert augmentation.scale == PRESETS[Strength.STRONG].scale


@pytest.mark.parametrize(
    ("tune", "explicit", "complaint"),
    [
        (Tune.HEAD, {"layer_decay": 0.5}, "--layer-decay has no effect with --tune head"),
        (Tune.HEAD, {"drop_path": 0.5}, "--drop-path has no effect"),
        (Tune.FULL, {"decay_rate": 0.5}, "--decay-rate needs --sched step"),
        (Tune.FULL, {"kd_weight": 0.5}, "--kd-weight needs --kd-model"),
        (Tune.FULL, {"mixup_off_epoch": 3}, "--mixup-off-epoch needs --mixup or --cutmix"),
        (Tune.FULL, {"momentum": 0.5}, "--momentum needs an optimiser with momentum"),
        (Tune.FULL, {"ratio": (1.0, 1.5), "augment": Strength.NONE}, "--ratio needs --scale"),
        (Tune.SCRATCH, {"lr": 0.01, "min_lr": 0.1}, "--min-lr is above --lr, 0.01, so"),
        (Tune.SCRATCH, {"min_lr": 0.1}, "--min-lr is above --lr, 0.001, so"),
        (
            Tune.FULL,
            {"sched": Schedule.CONSTANT, "min_lr": 0.1},
            "--min-lr needs a --sched other than constant",
        ),
        (Tune.FULL, {"sched": Schedule.ONE_CYCLE, "warmup_epochs": 1.0}, "--warmup-epochs needs another"),
        (Tune.FULL, {"lr": 0.0}, "--lr must be above 0 and at most 1,000, or auto, not 0"),
        (Tune.FULL, {"lr": -1.0}, "--lr must be above 0"),
        (Tune.FULL, {"lr": float("inf")}, "--lr must be above 0"),
        (Tune.FULL, {"epochs": 0}, "--epochs must be between 1 and 100,000, not 0"),
        (Tune.FULL, {"smoothing": float("nan")}, "--smoothing must be between 0 and 0.99, not nan"),
        (Tune.FULL, {"scale": (0.9, 0.5)}, "--scale: the smaller number comes first, not 0.9,0.5"),
        (Tune.FULL, {"scale": (0.0, 0.5)}, "--scale: both numbers must be above 0 and at most 1, not 0,0.5"),
        (Tune.FULL, {"hflip": 1.5}, "--hflip must be between 0 and 1"),
        (Tune.FULL, {"l1": -1.0}, "--l1 must be at least 0, not -1"),
    ],
)
def test_options_without_effect_or_out_of_range_are_refused(
    tune: Tune, explicit: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError) as refused:
        resolve(tune, explicit)
    assert complaint in refused.value.message


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(UsageError, match=r"--kd-weight needs .*; --lr must be .*; --epochs must be "):
        resolve(Tune.FULL, {"lr": -1.0, "epochs": 0, "kd_weight": 0.5})


def test_features_have_no_training_options() -> None:
    require_no_training_options({"batch_size": 8})
    with pytest.raises(UsageError, match="--epochs, --lr: no effect with --tune features"):
        require_no_training_options({"epochs": 3, "lr": 0.1, "batch_size": 8})


def test_recorded_options_can_be_read_again() -> None:
    """An option without effect beside the others is not recorded, since it would be refused."""
    resolved = resolve(Tune.FULL, {"sched": Schedule.ONE_CYCLE, "kd_model": Path("x")})
    assert not is_in_effect("warmup_epochs", resolved)
    assert is_in_effect("kd_weight", resolved)


def test_mixup_off_epoch_0_needs_no_mixing() -> None:
    """So that settings can be reused without mixing."""
    resolved = resolve(Tune.FULL, {"cutmix": 0.0, "mixup_off_epoch": 0})
    assert not any(resolved.mixes(epoch) for epoch in range(3))
    assert is_in_effect("mixup_off_epoch", resolved)


def test_a_recipe_sets_defaults_that_options_override() -> None:
    keras = RECIPES[RecipeName.KERAS]
    resolved = resolve(Tune.SCRATCH, {}, keras)
    assert {name: getattr(resolved, name) for name in keras.defaults} == keras.defaults
    assert resolved.augmentation == PRESETS[Strength.NONE]
    adam = resolve(Tune.SCRATCH, {"opt": "adam", "epochs": 3, "augment": Strength.STRONG}, keras)
    assert (adam.opt, adam.epochs, adam.batch_size, adam.lr) == ("adam", 3, 128, 1e-3)
    assert adam.augmentation == PRESETS[Strength.STRONG]
    assert not is_in_effect("momentum", adam)
    with pytest.raises(UsageError, match="--recipe keras is for --tune scratch, not full"):
        resolve(Tune.FULL, {}, keras)
