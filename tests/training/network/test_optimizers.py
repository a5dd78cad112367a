"""timm's optimisers."""

from pathlib import Path

import pytest
import torch

from cnncli.training.network import optimizers
from tests.training.small_runs import settings_for


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
