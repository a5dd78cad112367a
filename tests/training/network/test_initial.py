"""What a network starts from, and which part of it is trained."""

from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.networks.normalization import parse_normalization
from cnncli.records.training import Initialization, Tune
from cnncli.training.manifest import load_manifest
from cnncli.training.network import checkpoints
from tests.training.small_runs import TrainedRun, settings_for, start_run, train_run


def frozen_as_they_were(result: TrainedRun, network_of: Path) -> set[str]:
    """Names of the tensors that are what they were in the prepared network."""
    from safetensors.torch import load_file

    before = load_file(network_of / "model.safetensors")
    return {
        name
        for name, value in result.checkpoint.network.items()
        if name in before and torch.equal(value, before[name])
    }


@pytest.mark.slow
def test_head_and_last_keep_other_layers_and_norms_unchanged(data: Path, tiny: Path) -> None:
    names: dict[str, Any] = {"epochs": 1, "lr": 0.01}
    head = train_run(settings_for(data, str(tiny), Tune.HEAD, **names))
    every = set(head.checkpoint.network)
    assert frozen_as_they_were(head, tiny) == {name for name in every if not name.startswith("fc.")}
    last = train_run(settings_for(data, str(tiny), Tune.LAST, stages=1, **names))
    changed = every - frozen_as_they_were(last, tiny)
    assert {name.split(".")[0] for name in changed} == {"fc", "layer4"}
    assert not any("running" in name for name in changed)
    full = train_run(settings_for(data, str(tiny), Tune.FULL, **names))
    changed = every - frozen_as_they_were(full, tiny)
    assert {name.split(".")[0] for name in changed} >= {"conv1", "layer1", "fc"}
    assert not any("running" in name for name in changed)
    scratch = train_run(settings_for(data, str(tiny), Tune.SCRATCH, **names))
    assert any("running_mean" in name for name in every - frozen_as_they_were(scratch, tiny))


@pytest.mark.slow
def test_full_starts_from_the_classifier_on_features(data: Path, tiny: Path) -> None:
    """Before any step it answers as the features run does."""
    settings = settings_for(data, str(tiny), Tune.FULL, epochs=1)
    progressed = checkpoints.load(start_run(settings), lambda _: None)
    assert progressed.network["fc.weight"].abs().max() > 0
    head = checkpoints.load(start_run(settings_for(data, str(tiny), Tune.HEAD, epochs=1)), lambda _: None)
    assert head.network["fc.weight"].abs().max() == 0


def test_a_blueprint_gets_the_number_of_classes_of_the_data(data: Path) -> None:
    text = "input 3x12x12; conv3-6; aux 0.3 { gap; FC-10 }; FC-10"
    result = train_run(settings_for(data, text)).checkpoint.network
    assert [len(result[name]) for name in result if name.endswith("fc1.weight")] == [3, 3]


def test_glorot_weights_are_uniform_and_biases_0(data: Path) -> None:
    settings = settings_for(data, "input 3x12x12; conv3-64; FC-3", init=Initialization.GLOROT)
    weights = checkpoints.load(start_run(settings), lambda _: None).network
    limit = (6 / (9 * 3 + 9 * 64)) ** 0.5
    assert 0.98 * limit < weights["conv1.weight"].abs().max() < limit
    assert abs(float(weights["conv1.weight"].std()) / (limit / 3**0.5) - 1) < 0.05
    assert not weights["conv1.bias"].any()
    assert not weights["fc1.bias"].any()


def test_the_normalisation_of_training_is_that_of_the_network_that_comes_out(data: Path) -> None:
    """The card has it as preprocessing and, for a blueprint, in its text."""
    text = "input 3x12x12; normalize: imagenet; FC-3"
    card = load_manifest(start_run(settings_for(data, text))).card
    assert card.preprocessing.mean == (0.485, 0.456, 0.406)
    card = load_manifest(start_run(settings_for(data, text, normalize=parse_normalization("0..1")))).card
    assert (card.preprocessing.mean, card.preprocessing.std) == ((0.0,) * 3, (1.0,) * 3)
    assert "normalize: 0..1\n" in (card.architecture.blueprint or "")
