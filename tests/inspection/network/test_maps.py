"""Figures of feature maps show the outputs of layers."""

import numpy as np
import pytest

from cnncli.errors import UsageError
from cnncli.inspection.network import maps
from cnncli.inspection.network.loading import InputImage, LoadedModel
from cnncli.records.pictures import Scale


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
        "input: 3 x 32 x 32",
        "conv1\n6 x 30 x 30",
        "maxpool1\n6 x 15 x 15",
        "conv2\n8 x 15 x 15",
    ]


def test_a_layer_without_maps(model: LoadedModel, image: InputImage) -> None:
    with pytest.raises(UsageError, match="fc1 has no feature maps; its output is 5 numbers"):
        maps.layer_maps(model, image, "fc1")
