"""What a trace counts, against torch's own counter, and against what can be worked out by hand."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from cnncli.inspection.network.summary import build_without_weights
from cnncli.inspection.network.tracing import TracingError, trace
from cnncli.inspection.rollup import rows, rows_named
from cnncli.networks import zoo
from cnncli.networks.blueprint.parser import parse
from cnncli.networks.zoo import blueprint_builder
from cnncli.records.anatomy import Anatomy, Layer
from tests.conftest import slow_cases, some_slow

FAMILIES = [
    "torchvision/alexnet", "torchvision/squeezenet1_0", "torchvision/googlenet", "torchvision/inception_v3",
    "torchvision/shufflenet_v2_x1_0", "torchvision/mnasnet0_5", "torchvision/swin_t", "torchvision/swin_v2_t",
    "torchvision/maxvit_t", "torchvision/vit_b_16", "torchvision/convnext_tiny", "torchvision/regnet_x_400mf",
    "torchvision/mobilenet_v3_small", "torchvision/densenet121", "torchvision/efficientnet_b0",
    "vgg11", "vgg11_bn", "resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "seresnet50", "skresnet18",
    "ecaresnet26t", "resnest14d", "res2net50_26w_4s", "gernet_s", "dpn68", "darknet53", "cspresnet50", "dla34",
    "hrnet_w18_small", "selecsls42", "xception41", "inception_v4", "inception_resnet_v2", "nasnetalarge",
    "mobilenetv2_100", "mobilenetv3_small_100", "mobilenetv4_conv_small", "efficientnet_b0", "tf_efficientnet_b0",
    "tf_efficientnetv2_b0", "fbnetc_100", "ghostnet_100", "hardcorenas_a", "lcnet_050", "mixnet_s", "rexnet_100",
    "tinynet_a", "repvgg_a0", "mobileone_s0", "fastvit_t8", "convnext_tiny", "convnextv2_atto", "nfnet_l0",
    "regnety_002", "vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "cait_xxs24_224", "beit_base_patch16_224",
    "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256", "pvt_v2_b0", "poolformer_s12", "coat_tiny",
    "coatnet_nano_rw_224", "maxvit_nano_rw_256", "mixer_s32_224", "resmlp_12_224", "gmlp_s16_224", "volo_d1_224",
    "xcit_nano_12_p8_224", "edgenext_xx_small", "efficientformer_l1", "levit_128s", "mobilevit_xxs", "tnt_s_patch16_224",
    "twins_pcpvt_small", "visformer_tiny", "crossvit_tiny_240", "davit_tiny", "focalnet_tiny_srf", "gcvit_xxtiny",
    "halonet26t", "lambda_resnet26t", "botnet26t_256", "eca_botnext26ts_256", "sequencer2d_s", "nest_tiny", "pit_ti_224",
]  # fmt: skip
assert len(FAMILIES) >= 60

SOME = [
    "torchvision/googlenet",
    "resnet50",
    "mobilenetv3_small_100",
    "vit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224",
]


def on_meta(name: str) -> tuple[nn.Module, Tensor]:
    """A network and two images; on the CPU where it cannot be built without values."""
    offered = zoo.offer(name)
    network, device = build_without_weights(offered.architecture)
    return network, torch.zeros(2, offered.architecture.channels, *offered.preprocessing.size, device=device)


def check_totals(name: str) -> None:
    network, images = on_meta(name)
    actual = trace(network, images, name)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.requires_grad_(requires_grad=False)(images)  # the counter stumbles over parameters as inputs
    assert 2 * actual.totals.multiply_adds == counter.get_total_flops()
    assert actual.totals.parameters == sum(parameter.numel() for parameter in network.parameters())
    for depth in (0, 1, 2, None):
        rolled = rows(actual.layers, depth)
        assert sum(row.parameters for row in rolled) == actual.totals.parameters
        assert sum(row.multiply_adds for row in rolled) == actual.totals.multiply_adds
    assert actual.totals.peak_bytes >= images.nbytes
    is_recurrent = any(layer.kind == "LSTM" for layer in actual.layers)  # and counts every step
    assert actual.totals.depth > 0
    assert actual.totals.depth <= sum(layer.weights > 0 for layer in actual.layers) or is_recurrent


@pytest.mark.parametrize("name", SOME)
def test_totals_of_some_networks(name: str) -> None:
    check_totals(name)


@pytest.mark.parametrize(
    "name",
    slow_cases(FAMILIES, ["torchvision/maxvit_t", "nasnetalarge", "levit_128s", "xcit_nano_12_p8_224"]),
)
def test_totals_of_many_families(name: str) -> None:
    check_totals(name)


def taken_apart(network: nn.Module, *shape: int) -> Anatomy:
    return trace(network.eval(), torch.zeros(shape), "net")


def by_name(anatomy: Anatomy) -> dict[str, Layer]:
    return {layer.name: layer for layer in anatomy.layers if layer.call == 1}


@pytest.mark.parametrize(
    ("name", "depth"),
    [("vgg16", 16), ("torchvision/googlenet", 22), ("resnet50", 50), pytest.param("torchvision/densenet121", 121, marks=pytest.mark.slow), ("torchvision/inception_v3", 48), ("torchvision/alexnet", 8)],
)  # fmt: skip
def test_depth_as_the_papers_count_it(name: str, depth: int) -> None:
    assert trace(*on_meta(name), name).totals.depth == depth


def test_receptive_fields_of_vgg16() -> None:
    layers = by_name(trace(*on_meta("torchvision/vgg16"), "vgg16"))
    for name, size, jump in [("0", 3, 1), ("2", 5, 1), ("4", 6, 2), ("28", 196, 16), ("30", 212, 32)]:
        field = layers[f"features.{name}"].field
        assert field is not None
        assert (field.size, field.jump) == ((size, size), (jump, jump))
    last = layers["classifier.6"].field
    assert last is not None
    assert last.size is None  # a fully connected layer sees all of the image


@pytest.mark.parametrize(
    "name", some_slow(["torchvision/vgg11", "resnet18", "torchvision/squeezenet1_0"], ["resnet18"])
)
def test_receptive_fields_agree_with_gradients(name: str) -> None:
    """Of the middle value of a feature map: the pixels of the image that it depends on."""
    size = 127
    network = zoo.build(zoo.offer(name).architecture)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # timm begins with zeros on residual branches
    layers = by_name(trace(network, torch.zeros(1, 3, size, size), name))
    images = torch.randn(1, 3, size, size, requires_grad=True)
    outputs: dict[str, Tensor] = {}
    for path, module in network.named_modules():
        module.register_forward_hook(lambda _, __, output, path=path: outputs.__setitem__(path, output))
    network(images)
    checked = 0
    for layer in layers.values():
        output = outputs[layer.name]
        if layer.field is None or layer.field.size is None or output.dim() != 4 or layer.field.size[0] > 60:
            continue
        middle = output.shape[-1] // 2
        (gradient,) = torch.autograd.grad(output[0, :, middle, middle].sum(), images, retain_graph=True)
        touched = (gradient[0].abs().sum(0) > 0).nonzero()
        extent = tuple((touched.max(0).values - touched.min(0).values + 1).tolist())
        assert all(actual <= size for actual, size in zip(extent, layer.field.size, strict=True)), layer.name
        if "ReLU" not in layer.kind and "Pool" not in layer.kind and checked < 3:
            assert extent == layer.field.size, layer.name
            checked += 1
    assert checked


class Shared(nn.Module):
    """One layer called twice, one tied to another, one never called, and work that no module does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.one = nn.Linear(4, 4)
        self.two = nn.Linear(4, 4)
        self.two.weight = self.one.weight
        self.spare = nn.Linear(7, 3)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, maps: Tensor) -> Tensor:
        maps = functional.max_pool2d(self.conv(self.conv(maps)), 2)
        tokens = maps.flatten(2).transpose(1, 2)
        tokens = functional.scaled_dot_product_attention(tokens, tokens, tokens) @ self.one.weight
        answer: Tensor = self.two(self.one(tokens.mean(1) * self.scale))
        return answer


def test_shared_weights_count_once_and_each_call_has_a_row() -> None:
    actual = taken_apart(Shared(), 1, 4, 8, 8)
    calls = [(layer.name, layer.call, layer.weights, layer.biases) for layer in actual.layers]
    assert calls == [
        ("", 1, 4, 0),
        ("conv", 1, 144, 0),
        ("conv", 2, 0, 0),
        ("one", 1, 16, 4),
        ("two", 1, 0, 4),
        ("spare", 0, 21, 3),
    ]
    assert actual.totals.parameters == 4 + 144 + 16 + 4 + 4 + 24
    own = actual.layers[0]  # attention over 16 tokens of 4 numbers, twice; and a product with the weights
    assert own.multiply_adds == 2 * 16 * 16 * 4 + 16 * 4 * 4
    assert actual.totals.multiply_adds == own.multiply_adds + 2 * 144 * 64 + 2 * 16


def test_weights_that_another_module_uses_are_not_called_unused() -> None:
    """As torch's attention uses the weights of its projection."""

    class SelfAttention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2)

        def forward(self, tokens: Tensor) -> Tensor:
            answer: Tensor = self.attention(tokens, tokens, tokens)[0]
            return answer

    actual = taken_apart(SelfAttention(), 5, 1, 8)
    (projection,) = [layer for layer in actual.layers if layer.name == "attention.out_proj"]
    assert (projection.call, projection.is_used, projection.parameters) == (0, True, 72)
    assert actual.uncalled_parameters == 0
    (row,) = rows_named(actual.layers, "attention.out_proj")
    assert row.type_text == "NonDynamicallyQuantizableLinear (functional)"
    spare = next(layer for layer in taken_apart(Shared(), 1, 4, 8, 8).layers if layer.name == "spare")
    assert not spare.is_used


def test_frozen_layers() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    network[0].requires_grad_(requires_grad=False)
    actual = taken_apart(network, 1, 3, 8, 8)
    assert [layer.frozen for layer in actual.layers] == [0, 112, 0]
    assert (actual.totals.parameters, actual.totals.trainable) == (120, 8)


def test_memory_by_hand() -> None:
    """16 kB go in; each ReLU makes 16 kB more while its input is still there; a sum needs three at once."""

    class Sum(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.relu() + images.tanh()

    actual = taken_apart(nn.Sequential(nn.ReLU(), Sum(), nn.ReLU(inplace=True)), 1, 4, 32, 32)
    once = 4 * 32 * 32 * 4
    assert (
        actual.totals.peak_bytes == 5 * once
    )  # the images, the first ReLU's output, its ReLU and tanh, their sum
    assert actual.totals.training_bytes is None  # on a real device training would change the network


def test_training_memory_is_what_autograd_keeps() -> None:
    with torch.device("meta"):
        network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 5))
        actual = trace(network.eval(), torch.zeros(2, 3, 8, 8), "net")
    images, maps = 2 * 3 * 64 * 4, 2 * 8 * 64 * 4
    assert (
        actual.totals.training_bytes == images + maps
    )  # the convolution's input; the ReLU's output, which is the layer's input


def test_sums_and_concatenations_have_rows_with_their_channels() -> None:
    text = "input 3x8x8; residual concat { conv3-5 }; branches { conv1-2 | conv3-4 }; residual { conv3-6 }; gap; FC-2"
    anatomy = taken_apart(blueprint_builder.build(parse(text)), 1, 3, 8, 8)
    merges = {layer.name: layer for layer in anatomy.layers if layer.kind in {"Sum", "Concatenation"}}
    assert {name: (layer.inputs, layer.outputs) for name, layer in merges.items()} == {
        "residual1.concat": (((1, 3, 8, 8), (1, 5, 8, 8)), ((1, 8, 8, 8),)),
        "branches1.concat": (((1, 2, 8, 8), (1, 4, 8, 8)), ((1, 6, 8, 8),)),
        "residual2.sum": (((1, 6, 8, 8), (1, 6, 8, 8)), ((1, 6, 8, 8),)),
    }
    assert set(merges) <= {row.name for row in rows(anatomy.layers)}


def test_a_locally_connected_layer_is_followed_like_a_convolution() -> None:
    layers = {}
    for kind in ("local", "conv"):
        network = blueprint_builder.build(parse(f"input 3x20x20; conv3-4/2; {kind}5-2/2 valid; gap; FC-2"))
        layers[kind] = by_name(taken_apart(network, 1, 3, 20, 20))[f"{kind}{2 if kind == 'conv' else 1}"]
    local, conv = layers["local"], layers["conv"]
    assert (local.window, local.field) == (conv.window, conv.field)
    assert (local.multiply_adds, local.weights) == (conv.multiply_adds, 9 * conv.weights)


def test_a_vector_has_no_receptive_field() -> None:
    anatomy = taken_apart(blueprint_builder.build(parse("input 10; FC-20 relu; FC-30; FC-10")), 1, 10)
    assert anatomy.totals.parameters == 1_160
    assert {layer.field for layer in anatomy.layers} == {None}


def test_a_layer_that_does_not_fit_is_named() -> None:
    with pytest.raises(TracingError, match=r"^1 \(Linear\): .*shapes cannot be multiplied"):
        taken_apart(nn.Sequential(nn.Flatten(), nn.Linear(5, 2)), 1, 3, 8, 8)
