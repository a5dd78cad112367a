"""Blueprints built: as torchvision builds the same networks, output for output; and what does not fit is refused."""

import pytest
import torch
import torchvision
from hypothesis import given, settings
from torch import nn

from cnncli.errors import BlueprintError, CnncliError, GeometryError
from cnncli.networks import blueprint
from cnncli.networks.blueprint import shapes
from cnncli.networks.blueprint.parser import parse
from cnncli.networks.blueprint.tree import Blueprint
from cnncli.networks.zoo.blueprint_builder import build
from tests.networks.blueprint.test_parser import steps


def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build(blueprint.find(name)).eval()


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lenet5", 61_706),
        ("course-cifar10", 3_692_938),
        ("exercise-fc", 1_091_024),
        ("exercise-conv", 705_488),
        ("alexnet-2012", 60_965_224),
        ("alexnet-one-tower", 61_100_840),
        ("vgg-a", 132_863_336),
        ("vgg-a-lrn", 132_863_336),
        ("vgg-b", 133_047_848),
        ("vgg-c", 133_638_952),
        ("vgg-d", 138_357_544),
        ("vgg-e", 143_667_240),
        ("googlenet-2014", 13_378_280),
        ("plain34", 21_623_848),
        ("resnet34-2015", 21_623_848),
        ("resnet50-2015", 25_557_032),
    ],
)
def test_parameters_of_the_shipped_blueprints(name: str, expected: int) -> None:
    with torch.device("meta"):
        assert parameters(build(blueprint.find(name))) == expected


PROJECTED = {  # ResNets as torchvision has them: projections, and the stride in a bottleneck's 3x3
    "resnet18": """
        input 3x224x224; activation: relu; conv7-64/2 nobias batchnorm; maxpool 3/2 pad 1
        repeat 2 { residual { conv3-64 nobias batchnorm; conv3-64 nobias batchnorm linear } }
        residual project { conv3-128/2 nobias batchnorm; conv3-128 nobias batchnorm linear }
        residual { conv3-128 nobias batchnorm; conv3-128 nobias batchnorm linear }
        residual project { conv3-256/2 nobias batchnorm; conv3-256 nobias batchnorm linear }
        residual { conv3-256 nobias batchnorm; conv3-256 nobias batchnorm linear }
        residual project { conv3-512/2 nobias batchnorm; conv3-512 nobias batchnorm linear }
        residual { conv3-512 nobias batchnorm; conv3-512 nobias batchnorm linear }
        gap; FC-1000
    """,
    "resnet50": """
        input 3x224x224; activation: relu; conv7-64/2 nobias batchnorm; maxpool 3/2 pad 1
        residual project { conv1-64 nobias batchnorm; conv3-64 nobias batchnorm; conv1-256 nobias batchnorm linear }
        repeat 2 { residual { conv1-64 nobias batchnorm; conv3-64 nobias batchnorm; conv1-256 nobias batchnorm linear } }
        residual project { conv1-128 nobias batchnorm; conv3-128/2 nobias batchnorm; conv1-512 nobias batchnorm linear }
        repeat 3 { residual { conv1-128 nobias batchnorm; conv3-128 nobias batchnorm; conv1-512 nobias batchnorm linear } }
        residual project { conv1-256 nobias batchnorm; conv3-256/2 nobias batchnorm; conv1-1024 nobias batchnorm linear }
        repeat 5 { residual { conv1-256 nobias batchnorm; conv3-256 nobias batchnorm; conv1-1024 nobias batchnorm linear } }
        residual project { conv1-512 nobias batchnorm; conv3-512/2 nobias batchnorm; conv1-2048 nobias batchnorm linear }
        repeat 2 { residual { conv1-512 nobias batchnorm; conv3-512 nobias batchnorm; conv1-2048 nobias batchnorm linear } }
        gap; FC-1000
    """,
}


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        pytest.param("vgg-a", "vgg11", marks=pytest.mark.full),
        pytest.param("vgg-b", "vgg13", marks=pytest.mark.full),
        pytest.param("vgg-d", "vgg16", marks=pytest.mark.slow),
        pytest.param("vgg-e", "vgg19", marks=pytest.mark.full),
        pytest.param("alexnet-one-tower", "alexnet", marks=pytest.mark.slow),
        (PROJECTED["resnet18"], "resnet18"),
        pytest.param(PROJECTED["resnet50"], "resnet50", marks=pytest.mark.slow),
    ],
    ids=["vgg-a", "vgg-b", "vgg-d", "vgg-e", "alexnet", "resnet18", "resnet50"],
)
def test_the_same_weights_give_the_same_output_as_torchvisions(name: str, theirs: str) -> None:
    ours, other = built(name), torchvision.models.get_model(theirs, weights=None).eval()
    own_shapes = sorted(tuple(parameter.shape) for parameter in ours.parameters())
    assert own_shapes == sorted(tuple(parameter.shape) for parameter in other.parameters())
    with torch.no_grad():
        for module in other.modules():  # statistics that would show if they were not copied
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
                module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
        copy_in_order_of_use(other, ours)
        images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
        expected, result = other(images), ours(images)
    assert result.std() > 0
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def copy_in_order_of_use(source: nn.Module, target: nn.Module) -> None:
    """Weights of layers from one network to another that calls the same kinds in the same order, shortcuts first or last."""

    def used(network: nn.Module) -> list[nn.Module]:
        kinds = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
        main: list[nn.Module] = []
        shortcuts: list[nn.Module] = []
        for name, module in network.named_modules():
            if isinstance(module, kinds):
                (shortcuts if "shortcut" in name or "downsample" in name else main).append(module)
        return [*main, *shortcuts]

    for one, other in zip(used(source), used(target), strict=True):
        assert type(one) is type(other)
        other.load_state_dict(one.state_dict())


def test_the_plain_network_is_the_residual_one_without_shortcuts() -> None:
    plain, residual = built("plain34"), built("resnet34-2015")
    copy_in_order_of_use(plain, residual)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.allclose(plain(images), residual(images))
    assert parameters(plain) == parameters(residual)


def test_auxiliary_heads_are_used_in_training_only() -> None:
    network = build(blueprint.find("googlenet-2014"))
    assert network.loss_weights == (0.3, 0.3)
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        assert [logits.shape for logits in network.train()(images)] == [(2, 1000)] * 3
        assert network.eval()(images).shape == (2, 1000)


def test_minimum_pooling_and_zero_padding() -> None:
    network = build(parse("input 1x4x4; minpool; flatten"))
    numbers = torch.tensor([[1, 9, 6, 4], [5, 4, 7, 8], [5, 1, 2, 9], [6, 7, 6, 0]], dtype=torch.float32)
    assert network(numbers[None, None]).tolist() == [[1, 4, 1, 0]]
    for pool, expected in (("maxpool", [9, 8, 7, 9]), ("avgpool", [4.75, 6.25, 4.75, 4.25])):
        assert build(parse(f"input 1x4x4; {pool}; flatten"))(numbers[None, None]).tolist() == [expected]
    block = build(parse("input 1x4x4; residual { conv1-2/2 }; gap")).eval()
    nn.init.zeros_(next(block.parameters()))
    nn.init.zeros_(list(block.parameters())[1])
    past = block[0](numbers[None, None])  # nothing but the shortcut is left
    assert past.tolist() == [[[[1, 6], [5, 2]], [[0, 0], [0, 0]]]]


def test_a_locally_connected_layer_with_equal_weights_is_a_convolution() -> None:
    local = build(parse("input 2x7x6; local3x2-4/2 pad 1x0 dilation 1x2")).eval()
    weights, biases = torch.randn(4, 2, 3, 2), torch.randn(4)
    with torch.no_grad():
        local[0].weight.copy_(weights.flatten(1).T.expand_as(local[0].weight))  # type: ignore[operator, arg-type]
        local[0].bias.copy_(biases[:, None, None].expand_as(local[0].bias))  # type: ignore[operator, arg-type]
        images = torch.randn(3, 2, 7, 6)
        expected = nn.functional.conv2d(images, weights, biases, stride=2, padding=(1, 0), dilation=(1, 2))
        torch.testing.assert_close(local(images), expected)
    # Keras' LocallyConnected2D on 32x32x3 with 8 filters of 3x3: 30*30*(27*8 + 8)
    assert parameters(build(parse("input 3x32x32; local3-8 valid"))) == 201_600


def test_transposed_convolutions_and_uneven_padding_are_torchs() -> None:
    names = dict(
        build(
            parse("input 3x8x8; transposed4-6/2 pad 1; conv2-4 pad 0:1; conv3-5 pad 0:1x2:0")
        ).named_children()
    )
    up = names["transposed1"]
    assert isinstance(up, nn.ConvTranspose2d)
    assert (up.stride, up.padding) == ((2, 2), (1, 1))
    assert [names[pad].padding for pad in ("pad1", "pad2")] == [(0, 1, 0, 1), (2, 0, 0, 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("input 10; FC-20; FC-30; FC-10", (10,)),
        ("input 1x8x16x16; conv3d3-4 batchnorm relu; maxpool; avgpool; minpool", (4, 1, 2, 2)),
        (
            "input 1x8x8x8; residual { conv3d3-2/2 }; transposed3d2-3/2; local3d3-2; conv3d2-1 pad 0:1; gap",
            (1,),
        ),
        ("input 2x9; local1d3-4/2; transposed1d3-2/2 outpad 1; conv1d2-2 pad 1:0", (2, 12)),
    ],
)
def test_vectors_signals_and_volumes(text: str, expected: tuple[int, ...]) -> None:
    tree = parse(text)
    assert shapes.output_shape(tree) == expected
    assert tuple(build(tree).eval()(torch.zeros(2, *tree.input)).shape) == (2, *expected)


def test_an_activation_is_never_implied_and_never_follows_the_logits() -> None:
    def kinds(text: str) -> list[str]:
        return [type(layer).__name__ for layer in build(parse(text))]

    assert kinds("input 3x8x8; conv3-4; FC-3; FC-2") == ["Conv2d", "Flatten", "Linear", "Linear"]
    assert kinds("input 3x8x8; activation: relu; conv3-4; FC-3 linear; FC-2; soft-max") == [
        "Conv2d",
        "ReLU",
        "Flatten",
        "Linear",
        "Linear",
    ]
    assert kinds("input 3x8x8; activation: relu; FC-2 tanh") == ["Flatten", "Linear", "Tanh"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("input 3x8x8\nconv3-4 valid\nmaxpool 3/2\nconv5-4 valid\nFC-2", "line 4: conv5-4 valid: a kernel that spans 5 pixels does not fit into 2"),
        ("input 3x8x8; conv4-8; FC-2", "conv4-8: `same` padding needs an odd kernel size, not 4"),
        ("input 3x8x8; flatten; conv3-8; FC-2", "conv3-8: needs a feature map, but its input is a vector of 192 numbers"),
        ("input 3x8x8; conv3-8 groups 2; FC-2", "3 input and 8 output channels are not divisible by 2 groups"),
        ("input 3x8x8; branches { conv3-4 | maxpool }; FC-2", "branches of different sizes: 4x8x8 and 3x4x4"),
        ("input 3x8x8; residual { conv3-2 }; FC-2", "an identity shortcut cannot reduce 3 channels to 2"),
        ("input 3x9x9; residual { conv3-3 valid }; FC-2", "no stride of the shortcut reduces 3x9x9 to 3x7x7"),
        ("input 3x8x8; residual { FC-3 }; FC-2", "cannot add input 3x8x8 to output 3"),
        ("input 3x8x8; residual concat { maxpool }; FC-2", "branches of different sizes: 3x8x8 and 3x4x4"),
        ("input 3x8x8; aux 0.3 { conv3-3 }; FC-2", "aux 0.3: its output is 3x8x8, not one number per class"),
        ("input 3x8x8; residual { aux 0.3 { FC-3 } }; FC-2", "aux 0.3: an auxiliary head cannot be inside a block"),
        ("input 3x8x8; maxpool 3/2 pad 2; FC-2", "the padding of a pooling is at most half its window"),
        ("input 3x8x8; maxpool 3/2 pad 0:1; FC-2", "the padding of a pooling is equal on both sides"),
        ("input 3x8x8; transposed3-4 same; FC-2", "`same` is not defined for a transposed convolution"),
        ("input 3x8x8; transposed3-4 pad 0:1; FC-2", "the padding of a transposed convolution is equal on both sides"),
        ("input 3x8x8; transposed3-4/2 outpad 2; FC-2", "outpad must be smaller than the stride"),
        ("input 3x1x1; transposed1-4 pad 1; FC-2", "nothing is left of 3x1x1"),
        ("input 3x4x8x8; LRN; FC-2", "works on images and signals, not on 3x4x8x8"),
        ("input 5; maxpool; FC-2", "needs a feature map, but its input is a vector of 5 numbers"),
        ("input 3x5000x5000; local9-1000; FC-2", "too large"),
        ("input 3x9999999x9999999; FC-9999999", "too large"),
        ("input 3x32x32; inception(8,1000000,1000000,8,8,8); gap; FC-2", "too large"),
        ("input 3x64; inception(1,1,1,1,1,1); gap; FC-2", "needs a feature map with height and width, not 3x64"),
        ("input 3x8x8; repeat 9999 { residual { repeat 9999 { relu } } }; FC-2", "the blueprint has more than 10,000 layers"),
    ],
)  # fmt: skip
def test_layers_that_do_not_fit_are_reported_before_building(text: str, complaint: str) -> None:
    with pytest.raises((GeometryError, BlueprintError)) as caught:
        build(parse(text))
    assert complaint in caught.value.message


def test_a_network_without_logits_can_be_summarised_but_not_trained() -> None:
    tree = parse("input 3x8x8; conv3-8")
    assert build(tree)(torch.zeros(1, 3, 8, 8)).shape == (1, 8, 8, 8)
    with pytest.raises(BlueprintError, match="the network's output is 8x8x8, not one number per class"):
        shapes.num_classes(tree)


@pytest.mark.slow
@given(steps)
@settings(max_examples=50, deadline=None)
def test_networks_are_built_with_the_computed_shapes(result: tuple[object, ...]) -> None:
    tree = Blueprint((3, 24, 24), result, None)  # type: ignore[arg-type]
    try:
        expected = shapes.output_shape(tree)
    except CnncliError:
        return
    with torch.device("meta"):
        network = build(tree).eval()
        assert tuple(network(torch.zeros(2, 3, 24, 24)).shape) == (2, *expected)
