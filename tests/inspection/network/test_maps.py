"""Figures of feature maps show the outputs of layers."""

import numpy as np
import pytest

from cnncli.errors import UsageError
from cnncli.inspection.network import maps
from cnncli.inspection.network.loading import InputImage, LoadedModel
from cnncli.records.pictures import BarChart, Scale


def test_maps_are_the_layers_outputs_strongest_first(model: LoadedModel, image: InputImage) -> None:
    figure = maps.layer_figure(model, image, "relu1", 3)
    answer = model.network.get_submodule("conv1")(image.batch).relu()[0].detach()
    order = answer.flatten(1).std(dim=1).argsort(descending=True)[:3].tolist()
    assert [panel.title for panel in figure.panels[1:]] == [f"map {number + 1}" for number in order]
    for panel, number in zip(figure.panels[1:], order, strict=True):
        np.testing.assert_allclose(panel.values, answer[number].numpy(), atol=1e-6)
        assert panel.scale is Scale.STRENGTH


def test_all_layers_in_order_with_their_shapes(model: LoadedModel, image: InputImage) -> None:
    titles = [panel.title.split(", ")[0] for panel in maps.all_layers_figure(model, image).panels]
    assert titles[:4] == [
        "input: 3x32x32",
        "conv1\n6x30x30",
        "maxpool1\n6x15x15",
        "conv2\n8x15x15",
    ]


def test_single_numbers_are_a_sorted_bar_chart(model: LoadedModel, image: InputImage) -> None:
    logits = model.network(image.batch)[0].tolist()
    _, chart = maps.layer_figure(model, image, "fc1", 3).panels
    assert isinstance(chart, BarChart)
    largest = sorted(range(5), key=lambda index: -abs(logits[index]))[:3]
    order = sorted(largest, key=lambda index: -logits[index])
    assert chart.labels == tuple(f"unit {index + 1}" for index in order)
    assert chart.values == pytest.approx([logits[index] for index in order], abs=1e-6)
    last = maps.all_layers_figure(model, image).panels[-1]
    assert isinstance(last, BarChart)
    assert (last.title, len(last.labels)) == ("gap1\n8, largest", 8)


def test_a_layer_without_maps(model: LoadedModel, image: InputImage) -> None:
    with pytest.raises(UsageError, match="fc1 has no feature maps; its output is 5 numbers"):
        maps.layer_maps(model, image, "fc1")
