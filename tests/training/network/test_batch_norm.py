"""How many images batch normalisation needs at a time."""

import pytest
import torch
from torch import nn

from cnncli.training.network.batch_norm import least_images


@pytest.mark.parametrize(
    ("layers", "least"),
    [
        ([nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)], 1),
        ([nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4)], 2),
        ([nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(4)], 2),
        ([nn.Conv2d(3, 4, 8), nn.BatchNorm2d(4), nn.Dropout()], 2),
        ([nn.AdaptiveAvgPool2d(1), nn.GroupNorm(1, 3)], 1),
    ],
)
def test_a_single_value_per_channel_needs_two_images(layers: list[nn.Module], least: int) -> None:
    network = nn.Sequential(*layers).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    assert least_images(network, torch.zeros(1, 3, 8, 8)) == least
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(module.training for module in network.modules())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_frozen_batch_norms_take_any_number() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3)).train()
    network[1].eval()
    assert least_images(network, torch.zeros(1, 3, 8, 8)) == 1
    assert not network[1].training
