"""A run is reproducible, and every training option has an effect."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnncli.errors import (
    UsageError,
)
from cnncli.networks.normalization import parse_normalization
from cnncli.records.augmentation import AutoAugment, Strength
from cnncli.records.training import Amp, ClassWeights, Initialization, Schedule
from cnncli.training import options
from tests.training.small_runs import PLAIN, TrainedRun, settings_for, start_run, train_run


def test_training_is_reproducible(data: Path, base: TrainedRun) -> None:
    assert (train_run(settings_for(data)).weights == base.weights).all()
    assert (train_run(settings_for(data, seed=1)).weights != base.weights).any()


CHANGES: dict[str, Any] = {
    "batch_size": 4,
    "opt": "rmsprop",
    "lr": 0.01,
    "weight_decay": 0.5,
    "l1": 0.01,
    "layer_decay": 0.5,
    "sched": Schedule.CONSTANT,
    "warmup_epochs": 1.0,
    "min_lr": 0.0005,
    "smoothing": 0.3,
    "init": Initialization.GLOROT,
    "normalize": parse_normalization("0..1"),
    "drop": 0.5,
    "mixup": 0.5,
    "cutmix": 1.0,
    "clip_grad": 0.01,
    "balanced_sampling": True,
    "amp": Amp.BF16,
    "augment": Strength.NONE,
    "scale": (0.1, 0.2),
    "ratio": (1.0, 1.0),
    "hflip": 0.0,
    "vflip": 0.5,
    "rotate": 20.0,
    "translate": 0.2,
    "color_jitter": 0.0,
    "aa": AutoAugment.TRIVIAL,
    "reprob": 1.0,
}

"""TrainingOptions that lead to other weights than the base's."""


WITH_OTHERS: dict[str, tuple[dict[str, Any], Any]] = {
    "momentum": ({"opt": "sgd"}, 0.5),
    "decay_epochs": ({"sched": Schedule.STEP}, 1.0),
    "decay_rate": ({"sched": Schedule.STEP, "decay_epochs": 1.0}, 0.5),
    "mixup_off_epoch": ({"cutmix": 1.0}, 1),
}

"""Likewise, beside what they need."""


ELSEWHERE = {
    "epochs",
    "patience",
    "keep",
    "time_budget",
    "lr",
    "model_ema_decay",
    "grad_accum_steps",
    "layout",
    "compile",
    "deterministic",
    "cache_size",
    "drop_path",
    "initial_scale",
    "kd_model",
    "kd_weight",
    "kd_temperature",
}

"""TrainingOptions whose effect tests of their own show."""


def test_every_training_option_is_tested() -> None:
    assert CHANGES.keys() | WITH_OTHERS.keys() | ELSEWHERE == set(options.declarations())


@pytest.mark.slow
def test_some_training_options_have_an_effect(data: Path, base: TrainedRun) -> None:
    for name in ("opt", "smoothing", "cutmix", "clip_grad", "hflip"):
        run = train_run(settings_for(data, **{name: CHANGES[name]}))
        assert not np.array_equal(run.weights, base.weights), name


@pytest.mark.slow
def test_every_training_option_has_an_effect(data: Path, base: TrainedRun) -> None:
    for name, value in CHANGES.items():
        run = train_run(settings_for(data, **{name: value}))
        assert not np.array_equal(run.weights, base.weights), name
        assert np.isfinite(run.weights).all(), name
    for name, (others, value) in WITH_OTHERS.items():
        without = train_run(settings_for(data, **others))
        run = train_run(settings_for(data, **others, **{name: value}))
        assert not np.array_equal(run.weights, without.weights), name
    weighted = train_run(settings_for(data, class_weights=ClassWeights.BALANCED))
    assert not np.array_equal(weighted.weights, base.weights)


def test_deterministic_is_switched_on(data: Path) -> None:
    try:
        train_run(settings_for(data, deterministic=True))
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(mode=False)


@pytest.mark.slow
def test_stochastic_depth_applies_to_networks_with_residual_blocks(data: Path) -> None:
    names: dict[str, Any] = {"epochs": 1, "augment": Strength.NONE}
    without = train_run(settings_for(data, "test_resnet", **names))
    assert not np.array_equal(
        train_run(settings_for(data, "test_resnet", drop_path=0.5, **names)).weights, without.weights
    )
    with pytest.raises(UsageError, match="does not support stochastic depth"):
        start_run(settings_for(data, drop_path=0.5))
    with pytest.raises(UsageError, match="does not support stochastic depth"):
        start_run(settings_for(data, "torchvision/squeezenet1_1", drop_path=0.5))


@pytest.mark.slow
def test_torch_compile_trains_the_same_network(data: Path) -> None:
    result = train_run(settings_for(data, PLAIN, compile=True))
    assert np.allclose(result.weights, train_run(settings_for(data, PLAIN)).weights, atol=1e-4)
