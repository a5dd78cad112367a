"""Class activation maps: layers, classes, values."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from cnncli.errors import UsageError
from cnncli.images.local_file import LocalFile
from cnncli.inspection.network import cam, maps
from cnncli.inspection.network.cam_methods import eigen_cam
from cnncli.inspection.network.loading import InputImage, LoadedModel, load_image, load_model
from cnncli.networks import model_folder
from cnncli.networks.class_names import class_indices
from cnncli.networks.zoo.layers import as_maps, find_layer
from cnncli.records.choices import CamMethod
from tests.inspection.conftest import network, noise
from tests.networks_for_tests import TASKS, colour_card


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


@pytest.mark.slow  # the other library imports for seconds
@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
def test_every_method_agrees_with_pytorch_grad_cam(name: str, tmp_path: Path) -> None:
    import pytorch_grad_cam as library
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    other = network(name)
    image = noise(other, tmp_path)
    layer = cam.target_layer(other, image)
    for method, reference in {
        CamMethod.GRADCAM: library.GradCAM,
        CamMethod.GRADCAM_PLUS_PLUS: library.GradCAMPlusPlus,
        CamMethod.LAYERCAM: library.LayerCAM,
    }.items():
        with reference(
            other.network, [find_layer(other.network, layer)], reshape_transform=as_maps_of(image)
        ) as maps:
            images = image.batch.clone().requires_grad_()
            expected = maps(input_tensor=images, targets=[ClassifierOutputTarget(1)])[0]
        assert np.allclose(cam.activation_map(other, image, layer, 1, method), expected, atol=1e-5), method


def as_maps_of(image: InputImage) -> Callable[[Tensor], Tensor]:
    """The feature maps in a layer's output, which the library would else expect with channels first."""

    def copied_maps(output: Tensor) -> Tensor:
        maps = as_maps(output, image.batch.shape[2:])
        assert maps is not None
        return maps.clone()

    return copied_maps


def test_eigen_cam_shows_the_largest_values_whatever_their_sign() -> None:
    maps = torch.zeros(3, 4, 4)
    maps[:, 1, 2] = torch.tensor([1.0, -2.0, 3.0])
    for sign in (1, -1):
        heat = eigen_cam(sign * maps, torch.zeros(0))
        assert int(heat.argmax()) == 6
        assert heat.max() > -heat.min()


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
    assert class_indices(card, ["robin", "n01558993", "15", "goldfish"]) == [15, 1]
    with pytest.raises(UsageError, match="has no class 'robbin'") as error:
        class_indices(card, ["robbin"])
    assert "robin" in (error.value.hint or "")


def test_a_number_is_no_index_where_classes_are_numbers() -> None:
    card = dataclasses.replace(colour_card(), class_names=("1", "2", "3"))
    assert class_indices(card, ["1"]) == [0]
    with pytest.raises(UsageError, match="has no class '0'") as error:
        class_indices(card, ["0"])
    assert error.value.hint == "its classes are '1', '2', '3'; with such names, a number is no index"


def test_classes_of_tasks() -> None:
    card = colour_card(TASKS)
    assert class_indices(card, ["green", "mood:red", "Colour:RED", "warm"]) == [1, 4, 0, 3]
    with pytest.raises(UsageError, match="has 2 classes called 'red'") as error:
        class_indices(card, ["red"])
    assert error.value.hint == "use the task and the name instead: colour:red or mood:red"
    with pytest.raises(UsageError, match="has no class '0'") as error:
        class_indices(card, ["0"])
    assert error.value.hint == "its classes are 'colour:red', 'green', 'blue', 'warm', 'mood:red' and 1 more"


def test_the_predicted_classes_of_tasks_and_their_probabilities(layers_tasks: Path, tmp_path: Path) -> None:
    model = load_model(model_folder.open_folder(layers_tasks))
    Image.new("RGB", (16, 16), "red").save(tmp_path / "red.png")
    image = load_image(LocalFile(str(tmp_path / "red.png")), model.card)
    shares = cam.probabilities(model, image)
    assert shares[:3].sum() == pytest.approx(1)
    assert abs(shares[3:].sum() - 1) > 0.01
    colour, mood = int(shares[:3].argmax()), 3 + int(shares[3:].argmax())
    for threshold, expected in {1.0: [colour, mood], 0.0: [colour, 3, 4, 5]}.items():
        tasks = (TASKS[0], dataclasses.replace(TASKS[1], thresholds=(threshold,) * 3))
        changed = LoadedModel(model.network, dataclasses.replace(model.card, tasks=tasks))
        assert cam.predicted_indices(changed, image) == expected
    figure = cam.figure(model, image, image.picture, "conv1", [colour, 4], CamMethod.GRADCAM)
    assert [panel.title.partition(",")[0] for panel in figure.panels[1:]] == [
        f"colour: {TASKS[0].class_names[colour]}",
        "mood: red",
    ]
