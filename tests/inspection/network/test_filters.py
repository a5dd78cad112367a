"""Figures of filters show the weights."""

import numpy as np
import pytest

from cnncli.errors import UsageError
from cnncli.inspection.network import filters
from cnncli.inspection.network.loading import LoadedModel
from cnncli.records.pictures import Panel, Scale
from tests.inspection.conftest import network


def test_filters_are_the_weights(model: LoadedModel) -> None:
    weights = model.network.get_submodule("conv1").weight.detach()  # type: ignore[operator]
    figure = filters.figure(model, None, 4, beside_random=False)
    assert len(figure.panels) == 4
    largest = float(weights.abs().max())
    for panel, kernel in zip(figure.panels, weights, strict=False):
        assert isinstance(panel, Panel)
        assert panel.scale is Scale.IMAGE
        assert panel.value_range == (-largest, largest)
        np.testing.assert_array_equal(panel.values, kernel.permute(1, 2, 0).double())
    deeper = filters.figure(model, "conv2", 2, beside_random=False)
    assert len(deeper.panels) == 2 * 6
    second = model.network.get_submodule("conv2").weight[1, 3].detach()  # type: ignore[index]
    np.testing.assert_array_equal(deeper.panels[6 + 3].values, second.double())
    assert deeper.panels[0].scale is Scale.SIGNED


def test_random_filters_are_shown_beside_trained_ones(model: LoadedModel) -> None:
    both = filters.figure(model, None, 6, beside_random=True)
    alone = filters.figure(model, None, 6, beside_random=False)
    numbers = [str(number) for number in range(1, 7)]
    assert both.columns == 13
    assert [panel.title for panel in both.panels] == [*numbers, "", *numbers]
    assert all(
        (one.values == other.values).all() for one, other in zip(both.panels[:6], alone.panels, strict=True)
    )
    assert all(
        (one.values != other.values).any() for one, other in zip(both.panels[7:], alone.panels, strict=True)
    )
    deeper = filters.figure(model, "conv2", 3, beside_random=True)
    assert deeper.columns == 13
    channels = [f"1, {channel}" for channel in range(1, 7)]
    assert [panel.title for panel in deeper.panels[:13]] == [*channels, "", *channels]


def test_a_fully_connected_first_layer_has_templates() -> None:
    flat = network("input 1x8x8; flatten; FC-4 relu; FC-3")
    figure = filters.figure(flat, None, 64, beside_random=False)
    assert [panel.values.shape for panel in figure.panels] == [(8, 8)] * 4


@pytest.mark.slow
def test_filters_of_1x1_and_fully_connected_layers_are_a_matrix() -> None:
    model = network("input 3x8x8; conv1-6; conv1-4; gap; FC-9")
    wide = filters.figure(model, "conv2", None, beside_random=False)
    weights = model.network.get_submodule("conv2").weight.detach()  # type: ignore[operator]
    np.testing.assert_array_equal(wide.panels[0].values, weights.flatten(1).double())
    tall = filters.figure(model, "fc1", 7, beside_random=True)
    weights = model.network.get_submodule("fc1").weight.detach()  # type: ignore[operator]
    np.testing.assert_array_equal(tall.panels[0].values, weights[:7].T.double())
    assert [panel.title for panel in tall.panels] == [
        "trained: one column per output, one row per input",
        "untrained: one column per output, one row per input",
    ]
    assert tall.title.endswith("fc1: weights of 9 outputs on 4 inputs, the first 7 outputs")


def test_layers_without_filters_are_errors(model: LoadedModel) -> None:
    with pytest.raises(UsageError, match="relu1 is a ReLU, which has no filters"):
        filters.figure(model, "relu1", 4, beside_random=False)
