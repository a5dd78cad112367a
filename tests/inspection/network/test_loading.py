"""An image as the input of a network, and layers by the names of a network inside another."""

from collections import OrderedDict

import numpy as np
from torch import nn

from cnncli.inspection.network import filters, receptive, shift
from cnncli.inspection.network.loading import InputImage, LoadedModel
from cnncli.networks.zoo.layers import find_layer


def test_an_image_is_preprocessed_for_the_network(model: LoadedModel, image: InputImage) -> None:
    preprocessing = model.card.preprocessing
    again = (image.picture / 255 - np.array(preprocessing.mean)) / np.array(preprocessing.std)
    np.testing.assert_allclose(image.batch[0].permute(1, 2, 0).numpy(), again, atol=1e-5)


def test_layers_of_a_wrapped_network_keep_their_names(model: LoadedModel, image: InputImage) -> None:
    wrapper = nn.Sequential(OrderedDict(network=model.network))
    assert find_layer(wrapper, "conv2") is model.network.get_submodule("conv2")
    whole = LoadedModel(wrapper, model.card)
    assert receptive.unit_field(whole, image, "conv2", None).layer == "network.conv2"
    result = shift.compare_shift(whole, image, (2, 0), "relu1")
    assert "network.relu1" in shift.figure(whole, result, "relu1").title
    assert "network.conv1" in filters.figure(whole, "conv1", 4, beside_random=False).title
