"""An image as the input of a network, and layers by the names of a network inside another."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from cnncli.images.local_file import LocalFile
from cnncli.inspection.network import filters, receptive, shift
from cnncli.inspection.network.loading import InputImage, LoadedModel, load_image, load_photograph
from cnncli.networks.zoo.layers import find_layer


def test_an_image_is_preprocessed_for_the_network(model: LoadedModel, image: InputImage) -> None:
    preprocessing = model.card.preprocessing
    again = (image.picture / 255 - np.array(preprocessing.mean)) / np.array(preprocessing.std)
    np.testing.assert_allclose(image.batch[0].permute(1, 2, 0).numpy(), again, atol=1e-5)


@pytest.mark.parametrize("size", [(200, 160), (20, 16), (3000, 2000)])
def test_a_photograph_shows_the_networks_crop_in_its_own_resolution(
    model: LoadedModel, tmp_path: Path, size: tuple[int, int]
) -> None:
    width, height = size
    ramp = np.linspace(0, 255, width).round().astype(np.uint8)
    Image.fromarray(np.repeat(np.repeat(ramp[None, :, None], height, 0), 3, 2)).save(tmp_path / "ramp.png")
    source = LocalFile(str(tmp_path / "ramp.png"))
    photograph = load_photograph(source, model.card)
    side = min(max(height, 32), 1000)
    assert photograph.shape == (side, side, 3)
    small = load_image(source, model.card).picture
    columns = np.linspace(0, side - 1, 32).round().astype(int)
    np.testing.assert_allclose(photograph[0, columns, 0], small[0, :, 0], atol=6)


def test_layers_of_a_wrapped_network_keep_their_names(model: LoadedModel, image: InputImage) -> None:
    wrapper = nn.Sequential(OrderedDict(network=model.network))
    assert find_layer(wrapper, "conv2") is model.network.get_submodule("conv2")
    whole = LoadedModel(wrapper, model.card)
    assert receptive.unit_field(whole, image, "conv2", None).layer == "network.conv2"
    result = shift.compare_shift(whole, image, (2, 0), "relu1")
    assert "network.relu1" in shift.figure(whole, result, "relu1").title
    assert "network.conv1" in filters.figure(whole, "conv1", 4, beside_random=False).title
