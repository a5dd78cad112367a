"""Theoretical receptive fields against gradients, and effective ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from cnncli.errors import UsageError
from cnncli.inspection.network import receptive
from cnncli.inspection.network.loading import InputImage, LoadedModel
from cnncli.records.pictures import Panel
from tests.inspection.conftest import network, noise


@pytest.mark.parametrize(
    "text",
    [
        "input 1x40x40; conv3-2 valid; maxpool 2; conv5-2 same; conv3-2/2; gap; FC-2",
        pytest.param(
            "input 1x41x37; conv7-2/2; avgpool 3/2; conv3-2 same; gap; FC-2", marks=pytest.mark.slow
        ),
        pytest.param(
            "input 1x40x40; conv3-2 dilation 2 valid; conv3-2 dilation 3 valid; gap; FC-2",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_theoretical_field_contains_all_gradients(text: str, tmp_path: Path) -> None:
    other = network(text)
    with torch.no_grad():
        for parameter in other.network.parameters():  # nothing cancels out, and no ReLU is closed
            parameter.abs_()
            parameter.add_(0.1)
    image = noise(other, tmp_path)
    names = [name for name, part in other.network.named_modules() if isinstance(part, nn.Conv2d)]
    for name in names:
        for unit in ((0, 0), None):
            result = receptive.unit_field(other, image, name, unit)
            assert result.theoretical
            top, left, bottom, right = result.theoretical
            height, width = result.gradient.shape
            rows, columns = np.nonzero(result.gradient)
            is_max = "maxpool" in text  # looks at some pixels of a window only
            slack = 3 if is_max else 0
            assert max(top, 0) <= rows.min() <= max(top, 0) + slack
            assert max(left, 0) <= columns.min() <= max(left, 0) + slack
            assert min(bottom, height) - slack <= rows.max() + 1 <= min(bottom, height)
            assert min(right, width) - slack <= columns.max() + 1 <= min(right, width)
            assert result.effective
            assert top <= result.effective[0] <= result.effective[2] <= bottom


@pytest.mark.slow
def test_the_default_layer_has_the_largest_field_of_at_most_half_the_image(tmp_path: Path) -> None:
    for text, expected in (
        ("input 1x32x32; conv3-2; conv3-2; maxpool 2; conv3-2/2; conv9-2; gap; FC-2", "conv3"),
        ("input 1x32x32; conv17-2; conv3-2; gap; FC-2", "conv1"),  # none is that small
    ):
        other = network(text)
        assert receptive.unit_field(other, noise(other, tmp_path), None, None).layer == expected


@pytest.mark.slow
def test_a_unit_after_global_pooling_sees_the_whole_image(tmp_path: Path) -> None:
    other = network("test_vit")
    result = receptive.unit_field(other, noise(other, tmp_path), "blocks.1", None)
    assert result.theoretical is None
    assert result.map_size[0] > 1


@pytest.mark.slow
def test_receptive_fields_of_torchvisions_transformers(tmp_path: Path) -> None:
    """Where no gradient is asked for, torch would take one operation for all of a layer."""
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    other = network("input 3x32x32; conv8-16/8 valid; gap; FC-2")

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.block = nn.Conv2d(3, 16, 8, 8), block

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.block(self.patches(images).flatten(2).transpose(1, 2))
            return result

    whole = LoadedModel(Transformer().eval(), other.card)
    result = receptive.unit_field(whole, noise(other, tmp_path), "block", None)
    assert result.theoretical is None
    assert result.is_traced


@pytest.mark.slow
def test_windowed_attention_is_reported_as_unsupported(tmp_path: Path) -> None:
    class Windows(nn.Module):
        """Positions of the upper half are mixed, and those of the lower one."""

        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 4, 8, 8)
            self.mixed = nn.Identity()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = self.patches(images)
            tokens = torch.stack(maps.split(2, dim=2)).flatten(3).transpose(2, 3)
            tokens = functional.scaled_dot_product_attention(tokens, tokens, tokens).transpose(2, 3)
            halves = tokens.reshape(2, 1, 4, 2, 4)
            result: torch.Tensor = self.mixed(torch.cat([halves[0], halves[1]], dim=2))
            return result

    torch.manual_seed(0)
    other = network("input 3x32x32; conv8-16/8 valid; gap; FC-2")
    image = noise(other, tmp_path)
    result = receptive.unit_field(LoadedModel(Windows().eval(), other.card), image, "mixed", (0, 0))
    assert result.theoretical is None
    assert not result.is_traced
    figure = receptive.figure(other, image, result)
    assert "not traced" in figure.note
    assert not [panel for panel in figure.panels[1:] if isinstance(panel, Panel) and panel.boxes]


def test_the_effective_field_contains_its_share_of_the_gradient(
    model: LoadedModel, image: InputImage
) -> None:
    result = receptive.unit_field(model, image, "conv2", None)
    assert result.effective
    top, left, bottom, right = map(int, result.effective)
    assert result.gradient[top:bottom, left:right].sum() >= 0.95 * result.gradient.sum()


@pytest.mark.slow
def test_a_unit_without_gradient_is_reported(tmp_path: Path) -> None:
    other = network("input 1x16x16; conv3-2 same relu; gap; FC-2")
    with torch.no_grad():
        other.network.get_submodule("conv1").bias.fill_(-1000)  # type: ignore[operator]
    result = receptive.unit_field(other, noise(other, tmp_path), "relu1", None)
    assert result.effective is None
    assert result.theoretical == (7.0, 7.0, 10.0, 10.0)
    assert "inactive" in receptive.figure(other, noise(other, tmp_path), result).note


def test_a_unit_outside_the_map_is_an_error(model: LoadedModel, image: InputImage) -> None:
    with pytest.raises(UsageError, match="unit 30,0 is outside the maps of 30 rows and 30 columns"):
        receptive.unit_field(model, image, "conv1", (30, 0))
