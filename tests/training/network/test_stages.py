"""A network as a row of stages."""

import pytest
import timm
import torchvision
from torch import nn

from cnncli.errors import UsageError
from cnncli.training.network.stages import freeze_below, parameter_groups, stages, upper_half


def names(network: nn.Module, head: str) -> list[str]:
    return [stage.name for stage in stages(network, head)]


def test_the_stages_of_a_resnet_are_its_stem_and_four_layers() -> None:
    assert names(timm.create_model("resnet18"), "fc") == ["conv1", "layer1", "layer2", "layer3", "layer4"]


@pytest.mark.slow
def test_children_of_a_single_container_are_the_stages() -> None:
    vgg = names(torchvision.models.vgg11(weights=None), "classifier.6")
    assert vgg[:2] == ["features.0", "features.3"]
    assert vgg[-2:] == ["classifier.0", "classifier.3"]
    vit = names(timm.create_model("test_vit"), "head")
    assert vit[0] == "patch_embed"
    assert "blocks.0" in vit


@pytest.mark.parametrize(
    ("name", "head"), [("resnet18", "fc"), ("mobilenetv3_small_050", "classifier"), ("test_vit", "head")]
)
def test_every_parameter_is_in_one_group(name: str, head: str) -> None:
    network = timm.create_model(name)
    groups = parameter_groups(network, head, 0.05, 0.5)
    result = [id(parameter) for group in groups for parameter in group["params"]]  # type: ignore[attr-defined]
    assert sorted(result) == sorted(id(parameter) for parameter in network.parameters())
    for group in groups:
        dimensions = {parameter.ndim > 1 for parameter in group["params"]}  # type: ignore[attr-defined]
        assert dimensions == {group["weight_decay"] == 0.05}


def test_layer_decay_lowers_the_learning_rate_towards_the_input() -> None:
    network = timm.create_model("resnet18")
    scale = {
        id(parameter): group["lr_scale"]
        for group in parameter_groups(network, "fc", 0, 0.5)
        for parameter in group["params"]  # type: ignore[attr-defined]
    }
    parts = [network.get_submodule(name) for name in ("fc", "layer4", "layer3", "layer2", "layer1", "conv1")]
    result = [{scale[id(parameter)] for parameter in part.parameters()} for part in parts]
    assert result == [{1.0}, {0.5}, {0.25}, {0.125}, {0.0625}, {0.03125}]
    assert (
        scale[id(network.get_parameter("bn1.weight"))] == 0.03125
    )  # a norm belongs to what it stands behind


def test_the_upper_half_of_the_stages() -> None:
    assert upper_half(timm.create_model("resnet18"), "fc") == 3
    alone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    assert upper_half(alone, "2") == 0


def test_frozen_parameters_by_tune() -> None:
    network = timm.create_model("resnet18")
    freeze_below(network, "fc", 0)
    assert {name for name, parameter in network.named_parameters() if parameter.requires_grad} == {
        "fc.weight",
        "fc.bias",
    }
    learning = freeze_below(network, "fc", 1)
    assert learning == [network.get_submodule("fc"), network.get_submodule("layer4")]
    assert not network.get_parameter("layer3.0.conv1.weight").requires_grad
    assert network.get_parameter("layer4.0.conv1.weight").requires_grad
    with pytest.raises(UsageError, match=r"--tune last:5 .* has: 5 \(conv1, layer1"):
        freeze_below(network, "fc", 5)
