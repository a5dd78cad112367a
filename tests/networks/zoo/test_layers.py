"""Layers by name, their outputs, and feature maps in any layout."""

import math
from collections import OrderedDict

import pytest
import torch
from torch import nn

from cnncli.errors import UsageError
from cnncli.networks.zoo.layers import as_maps, feature_maps, find_layer, layer_outputs, output_per_image


def test_outputs_are_copied_before_the_next_layer_overwrites_them() -> None:
    torch.manual_seed(1)
    chain = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True))
    images = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    result = layer_outputs(chain, {"0": chain[0], "1": chain[1]}, images)
    assert list(result) == ["0", "1"]
    assert (result["0"] < 0).any()
    assert (result["0"].relu() == result["1"]).all()


def test_a_layer_that_does_not_exist() -> None:
    network = nn.Sequential(OrderedDict(conv1=nn.Conv2d(3, 4, 3), relu1=nn.ReLU()))
    with pytest.raises(UsageError, match="no layer is called 'conv9'") as error:
        find_layer(network, "conv9")
    assert "conv1" in (error.value.hint or "")


@pytest.mark.parametrize(
    ("shape", "size", "maps_shape"),
    [
        ((1, 8, 4, 4), (32, 32), (1, 8, 4, 4)),
        ((1, 4, 4, 8), (32, 32), (1, 8, 4, 4)),  # Swin
        ((1, 8, 3, 5), (48, 80), (1, 8, 3, 5)),
        ((1, 17, 8), (32, 32), (1, 8, 4, 4)),  # ViT with its class token
        ((1, 20, 8), (32, 32), (1, 8, 4, 4)),  # and registers
        ((1, 16, 8), (32, 32), (1, 8, 4, 4)),
        ((1, 12, 8), (24, 32), (1, 8, 3, 4)),
        ((1, 5), (32, 32), None),
        ((1, 3, 8), (32, 32), None),
    ],
)
def test_maps_of_any_memory_layout(
    shape: tuple[int, ...], size: tuple[int, int], maps_shape: tuple[int, ...] | None
) -> None:
    output = torch.arange(math.prod(shape)).reshape(shape)
    result = as_maps(output, size)
    assert (result.shape if result is not None else None) == maps_shape
    if shape == (1, 17, 8) and result is not None:
        assert result[0, :, 0, 1].tolist() == output[0, 2].tolist()


def test_a_layer_without_one_output_per_image() -> None:
    """Attention within windows, as in Swin, gives one output per window."""
    result = {"attn": torch.zeros(8, 49, 16), "pooled": torch.zeros(2, 16)}
    with pytest.raises(UsageError, match="attn does not give one output per image: 8 x 49 x 16 for 2 images"):
        output_per_image("attn", result, 2)
    with pytest.raises(UsageError, match="other is not called"):
        output_per_image("other", result, 2)
    with pytest.raises(UsageError, match="pooled has no feature maps; its output is 16 numbers"):
        feature_maps("pooled", result, torch.zeros(2, 3, 32, 32))
