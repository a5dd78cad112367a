"""A cut network gives the pooled output of a layer, and has only the weights that it depends on."""

import copy
import math
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

from cnncli.engines import compile as compiler
from cnncli.errors import CompileError, UsageError
from cnncli.networks import zoo
from cnncli.networks.zoo.cut import CutNetwork
from cnncli.networks.zoo.embedding import WithLayerOutput, with_embedding
from cnncli.networks.zoo.layers import pooling
from cnncli.records.networks import Architecture, Cut, Library
from tests.conftest import some_slow

SHAPE = (3, 32, 32)


class Branches(nn.Module):
    """Calls an activation twice, reads a weight without calling its layer, and has weights without a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.read = nn.Conv2d(3, 4, 3), nn.Linear(4, 4)
        self.activation = nn.ReLU(inplace=True)
        self.later = nn.ModuleList([nn.Conv2d(4, 5, 3), nn.Conv2d(5, 6, 3)])
        self.scale, self.shift = nn.Parameter(torch.ones(4, 1, 1)), nn.Parameter(torch.zeros(6, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        output = self.activation(self.first(images) * self.scale)
        output = functional.linear(output.permute(0, 2, 3, 1), self.read.weight).permute(0, 3, 1, 2)
        output = self.activation(output)
        for layer in self.later:
            output = layer(output)
        shifted: torch.Tensor = output + self.shift
        return shifted


def cut_branches(layer: str, num_classes: int = 0) -> CutNetwork:
    torch.manual_seed(0)
    return CutNetwork(Branches(), layer, SHAPE, num_classes)


@pytest.mark.parametrize(
    ("library", "name", "layer", "size"),
    [
        ("timm", "test_resnet", "layer2", 32),
        ("timm", "test_vit", "blocks.1", 160),
        ("torchvision", "resnet18", "layer1.0.relu", 32),
        (
            "blueprint",
            "input 3x12x12; activation: relu; conv3-6; conv3-8/2 batchnorm; FC-16; FC-3",
            "conv2",
            12,
        ),
    ],
)
def test_logits_are_those_of_a_classifier_on_the_layers_output(
    library: Library, name: str, layer: str, size: int
) -> None:
    text = name if library == "blueprint" else None
    architecture = Architecture(library, name, 3, blueprint=text, cut=Cut(layer, (size, size), 3))
    network, whole = zoo.build(architecture), zoo.build(architecture.whole())
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        embeddings = WithLayerOutput(whole, layer)(images)[1]
        assert isinstance(network, CutNetwork)
        assert network.head is not None
        assert torch.equal(network.head(embeddings), network(images))
    assert len(network.state_dict()) < len(whole.state_dict())
    network.train()(images).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_only_the_weights_that_the_output_depends_on_are_left() -> None:
    """Also those that are read without a call of their layer."""
    assert set(cut_branches("first").state_dict()) == {"network.first.weight", "network.first.bias"}
    names = {"first.weight", "first.bias", "read.weight", "scale"}
    assert set(cut_branches("activation").state_dict()) == {f"network.{name}" for name in names}
    assert {"network.later.0.weight", "head.bias"} <= set(cut_branches("later.0", 2).state_dict())
    assert "network.later.1.weight" not in cut_branches("later.0").state_dict()


def test_a_copy_runs_on_its_own_weights() -> None:
    network = cut_branches("activation", 2)
    duplicate, images = copy.deepcopy(network), torch.ones(1, *SHAPE)
    nn.init.zeros_(duplicate.network.get_parameter("first.weight"))
    assert not torch.equal(network(images), duplicate(images))
    assert torch.equal(network(images), cut_branches("activation", 2)(images))


@pytest.mark.parametrize("exporter", some_slow(["_trace", "_export"], ["_trace"]))
def test_both_ways_of_compiling_end_at_the_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exporter: str
) -> None:
    """Also where an activation in place that follows the layer overwrites its output."""
    for name in ("_trace", "_export"):
        monkeypatch.setattr(compiler, name, getattr(compiler, exporter))
    chain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 5, 3))
    network = with_embedding(CutNetwork(chain, "0", SHAPE, 2).eval(), SHAPE)
    compiler.compile_network(network, SHAPE, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert (
        sum(math.prod(tensor.dims) for tensor in graph.initializer if len(tensor.dims) > 1)
        == 3 * 4 * 9 + 4 * 2
    )


def test_layers_at_which_a_network_cannot_be_cut() -> None:
    refused = {"conv9": "no layer is called 'conv9'", "read": "read is not called in a forward pass"}
    for layer, message in refused.items():
        with pytest.raises(UsageError, match=message):
            cut_branches(layer)
    images = nn.Sequential(nn.Identity(), nn.Conv2d(3, 4, 3))
    with pytest.raises(UsageError, match="0 depends on no weights"):
        CutNetwork(images, "0", SHAPE, 0)
    windows = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(0, 1), nn.Flatten(1))
    with pytest.raises(UsageError, match="1 does not give one output per image"):
        CutNetwork(windows, "1", SHAPE, 0)
    with pytest.raises(CompileError, match="does not run on images of 3 x 2 x 2"):
        CutNetwork(nn.Sequential(nn.Conv2d(3, 4, 3)), "0", (3, 2, 2), 0)


@pytest.mark.parametrize("shape", [(2, 5, 4, 6), (2, 4, 6, 5), (2, 24, 5), (2, 25, 5)])
def test_maps_in_any_layout_are_averaged_over_positions(shape: tuple[int, ...]) -> None:
    assert pooling(shape, (40, 60))(torch.randn(shape)).shape == (2, 5)


def test_other_outputs_are_flattened() -> None:
    assert pooling((2, 3, 5), (40, 60))(torch.randn(2, 3, 5)).shape == (2, 15)
