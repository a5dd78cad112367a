"""Class activation maps: layers, classes, values."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from torch.nn import functional

from cnncli.errors import UsageError
from cnncli.inspection.network import cam, maps
from cnncli.inspection.network.loading import InputImage, LoadedModel
from cnncli.networks import model_folder
from cnncli.records.choices import CamMethod
from tests.inspection.conftest import network, noise
from tests.networks_for_tests import colour_card


def test_maps_of_a_single_value_are_an_error(tmp_path: Path) -> None:
    other = network("test_resnet")
    with pytest.raises(UsageError, match="are 1 x 1"):
        cam.activation_map(other, noise(other, tmp_path), "global_pool.pool", 0, CamMethod.GRADCAM)


def test_grad_cam_of_a_pooled_network_is_the_class_activation_map(
    model: LoadedModel, image: InputImage
) -> None:
    """Zhou et al. (2016): with global average pooling before the last layer, its weights weigh the maps."""
    assert cam.target_layer(model, image) == "relu2"
    result = cam.activation_map(model, image, "relu2", 3, CamMethod.GRADCAM)
    weights = model.network.get_submodule("fc1").weight[3].detach()  # type: ignore[index]
    weighed = (weights[:, None, None] * maps.layer_maps(model, image, "relu2")).sum(0).relu()
    large = functional.interpolate(weighed[None, None], (32, 32), mode="bilinear", align_corners=False)[0, 0]
    expected = ((large - large.min()) / (large.max() - large.min())).numpy()
    assert result.shape == (32, 32)
    assert np.corrcoef(result.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("method", list(CamMethod))
def test_every_method_gives_values_from_0_to_1(
    model: LoadedModel, image: InputImage, method: CamMethod
) -> None:
    result = cam.activation_map(model, image, "relu2", 0, method)
    assert result.shape == (32, 32)
    assert result.min() >= 0
    assert result.max() <= 1 + 1e-6


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_resnet", "layer4"),
        pytest.param("test_vit", "blocks.5.norm1", marks=pytest.mark.slow),
        pytest.param("test_convnext", "norm", marks=pytest.mark.slow),
    ],
)
def test_the_default_target_layer_of_several_architectures(name: str, expected: str, tmp_path: Path) -> None:
    other = network(name)
    image = noise(other, tmp_path)
    result = cam.target_layer(other, image)
    assert expected in result
    heat = cam.activation_map(other, image, result, 1, CamMethod.GRADCAM_PLUS_PLUS)
    assert heat.shape == other.card.preprocessing.size


def test_classes_by_name_synset_and_index(squeezenet: Path) -> None:
    card = model_folder.open_folder(squeezenet).card
    assert cam.class_indices(card, ["robin", "n01558993", "15", "goldfish"]) == [15, 1]
    with pytest.raises(UsageError, match="has no class 'robbin'") as error:
        cam.class_indices(card, ["robbin"])
    assert "robin" in (error.value.hint or "")


def test_a_number_is_no_index_where_classes_are_numbers() -> None:
    card = dataclasses.replace(colour_card(), class_names=("1", "2", "3"))
    assert cam.class_indices(card, ["1"]) == [0]
    with pytest.raises(UsageError, match="has no class '0'") as error:
        cam.class_indices(card, ["0"])
    assert error.value.hint == "its classes are '1', '2', '3'; with such names, a number is no index"
