"""timm's optimisers."""

from pathlib import Path

import pytest
import timm
import torch
from timm.optim._optim_factory import list_optimizers

from cnncli.training import optimizer_names
from cnncli.training.network import optimizers
from cnncli.training.network.keras_rmsprop import KerasRMSprop
from tests.training.small_runs import settings_for


def test_the_names_are_those_of_timm() -> None:
    if timm.__version__ == optimizer_names.VERSION:
        assert sorted(optimizer_names.OPTIMIZERS) == sorted(list_optimizers())


@pytest.mark.parametrize(
    ("name", "is_fused"), [("adamw", True), ("sgd", True), ("rmsprop", False), ("lookahead_adamw", False)]
)
def test_optimisers_are_fused_where_torch_has_a_fused_implementation(
    data: Path, name: str, *, is_fused: bool
) -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    optimizer = optimizers.create_optimizer(layers, "1", settings_for(data, opt=name).options, 0.1)
    assert bool(optimizer.param_groups[0].get("fused")) == is_fused
    optimizers.require_plain_gradients(optimizer, name)


@pytest.mark.parametrize("name", ["sgd", "sgdw", "momentum", "nesterov", "lars", "rmsprop"])
def test_momentum_may_be_0(data: Path, name: str) -> None:
    """With SGD this is plain gradient descent: a step of lr times the gradient."""
    layer = torch.nn.Linear(2, 2, bias=False)
    before = layer.weight.detach().clone()
    options = settings_for(data, opt=name, momentum=0.0, weight_decay=0.0).options
    optimizer = optimizers.create_optimizer(layer, "", options, 0.1)
    gradient = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
    layer.weight.grad = gradient.clone()
    optimizer.step()
    if name in {"sgd", "sgdw", "momentum", "nesterov"}:
        assert torch.allclose(layer.weight, before - 0.1 * gradient)
    assert not torch.equal(layer.weight, before)


@pytest.mark.parametrize(("momentum", "expected"), [(0.0, -0.0149212), (0.5, -0.0290633)])
def test_rmspropkeras_takes_the_steps_of_keras(data: Path, momentum: float, expected: float) -> None:
    """Two steps with gradients of 0.002 and -0.001 from a weight of 0; the numbers are those of Keras 3.15."""
    options = settings_for(data, opt="rmspropkeras", momentum=momentum, weight_decay=0.0).options
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(layer.weight)
    optimizer = optimizers.create_optimizer(layer, "", options, 0.01)
    assert isinstance(optimizer, KerasRMSprop)
    for gradient in (0.002, -0.001):
        layer.weight.grad = torch.tensor([[gradient]])
        optimizer.step()
    assert layer.weight.item() == pytest.approx(expected, rel=1e-5)
