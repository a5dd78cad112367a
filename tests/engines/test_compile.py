"""What is compiled answers as torch does, for architectures of many families; what cannot be, says why."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cnncli.engines import compile as compiler
from cnncli.engines.compile import compare, compile_network
from cnncli.engines.onnx import OnnxEngine
from cnncli.errors import CompileError
from cnncli.networks import blueprint, zoo
from cnncli.networks.zoo.embedding import with_embedding
from cnncli.records.networks import Embedding
from tests.conftest import slow_cases, some_slow


class Linear(nn.Module):
    """Two classes of 3 x 4 x 4 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(48, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(images.flatten(1))
        return logits


class DependsOnTheData(Linear):
    """Takes one way or the other by what it sees, which no graph can express."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * (2 if images.sum().item() > 0 else 1)


class Forgetful(Linear):
    """Answers at random."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + torch.randn(1)


SHAPE = (3, 4, 4)


def test_a_graph_takes_any_number_of_images(tmp_path: Path) -> None:
    network = with_embedding(Linear().eval(), SHAPE)
    comparison = compile_network(network, SHAPE, tmp_path / "net.onnx")
    assert comparison.largest_difference <= 1e-5
    assert comparison.spread > 0
    engine = OnnxEngine(tmp_path / "net.onnx")
    for count in (1, 2, 5):
        images = torch.randn(count, *SHAPE)
        np.testing.assert_allclose(engine.run(images.numpy()).logits, network(images)[0].detach(), atol=1e-5)


class Counting(Linear):
    """Reshapes to the number of images that it saw while it was traced, as transformers do."""

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(images.reshape(images.shape[0], 48))
        return logits


class OnlyForTwo(Linear):
    """Makes a Python number of the number of images, which every exporter takes for a constant."""

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(images.reshape(int(images.shape[0]), 48))
        return logits


def test_tracing_is_enough_for_convolutional_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise AssertionError("the slow way was taken")

    monkeypatch.setattr(compiler, "_export", fails)
    for name in ("test_resnet", "test_efficientnet"):
        network = with_embedding(zoo.build(zoo.offer(name).architecture), (3, 64, 64))
        compile_network(network, (3, 64, 64), tmp_path / "net.onnx")
        assert OnnxEngine(tmp_path / "net.onnx").run(np.zeros((5, 3, 64, 64), np.float32)).logits.shape == (
            5,
            1000,
        )


@pytest.mark.parametrize(
    ("kind", "problem"),
    [(Counting, "the compiled network does not run"), (DependsOnTheData, "torch cannot trace it")],
)
def test_traces_that_depend_on_values_or_on_the_batch_size_are_refused_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: type[nn.Module], problem: str
) -> None:
    file = tmp_path / "net.onnx"
    with pytest.raises(CompileError, match=problem):
        compiler._export_and_compare(compiler._trace, with_embedding(kind().eval(), SHAPE), SHAPE, file)
    assert not file.exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_networks_whose_trace_is_refused_are_exported(tmp_path: Path) -> None:
    """Even where ONNX Runtime's message looks like one about memory, because of a layer's name."""
    named = nn.Sequential(OrderedDict(allocation=Counting()))
    network = with_embedding(named.eval(), SHAPE)
    compile_network(network, SHAPE, tmp_path / "net.onnx")
    assert OnnxEngine(tmp_path / "net.onnx").run(np.zeros((7, *SHAPE), np.float32)).logits.shape == (7, 2)


def test_a_graph_contains_no_paths_of_the_machine(tmp_path: Path) -> None:
    compile_network(with_embedding(Linear().eval(), SHAPE), SHAPE, tmp_path / "net.onnx")
    noted = (tmp_path / "net.onnx").read_bytes()
    assert str(Path(torch.__file__).parent).encode() not in noted
    assert b".py" not in noted


@pytest.mark.parametrize("kind", some_slow([DependsOnTheData, Forgetful, OnlyForTwo], [DependsOnTheData]))
def test_a_failed_compilation_says_why_and_leaves_no_files(tmp_path: Path, kind: type[nn.Module]) -> None:
    with pytest.raises(CompileError) as caught:
        compile_network(with_embedding(kind().eval(), SHAPE), SHAPE, tmp_path / "net.onnx")
    assert "\n" not in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_graph_of_another_network_is_refused(tmp_path: Path) -> None:
    compile_network(with_embedding(Linear().eval(), SHAPE), SHAPE, tmp_path / "net.onnx")
    with pytest.raises(CompileError, match="differ by"):
        compare(with_embedding(Linear().eval(), SHAPE), SHAPE, tmp_path / "net.onnx")


def test_a_network_without_weight_layers() -> None:
    with pytest.raises(CompileError, match="no convolution and no linear layer"):
        with_embedding(nn.Flatten().eval(), SHAPE)


def test_an_image_size_too_small_for_the_network_is_an_error() -> None:
    with pytest.raises(CompileError, match="does not run on images of 3 x 20 x 20"):
        with_embedding(torch_alexnet(), (3, 20, 20))


def torch_alexnet() -> nn.Module:
    return zoo.build(zoo.offer("alexnet").architecture)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_resnet", Embedding(96, "fc", gives_logits=True)),
        ("test_vit", Embedding(64, "head", gives_logits=True)),
        ("test_efficientnet", Embedding(256, "classifier", gives_logits=True)),
        ("torchvision/squeezenet1_1", Embedding(512, "classifier.1", gives_logits=False)),
    ],
)
def test_the_embedding_is_found_in_any_family(name: str, expected: Embedding) -> None:
    offer = zoo.offer(name, (64, 64))
    network = with_embedding(zoo.build(offer.architecture), (3, 64, 64))
    logits, embedding = network(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2, 1000)
    assert embedding.shape == (2, expected.size)
    assert network.embedding((3, 64, 64)) == expected


@pytest.mark.parametrize("name", slow_cases(blueprint.names(), ["alexnet-2012", "googlenet-2014"]))
def test_any_blueprint_compiles(name: str, tmp_path: Path) -> None:
    offer = zoo.offer(name)
    shape = (offer.architecture.channels, *offer.preprocessing.size)
    network = with_embedding(zoo.build(offer.architecture), shape)
    compile_network(network, shape, tmp_path / "model.onnx")
    logits = OnnxEngine(tmp_path / "model.onnx").run(np.zeros((3, *shape), np.float32)).logits
    assert logits.shape == (3, offer.architecture.num_classes)


def spread_out(network: nn.Module) -> None:
    """Random heads and norm statistics: a fresh network's logits are all but equal, which would prove nothing."""
    draw = torch.Generator().manual_seed(0)
    for module in network.modules():
        if (
            isinstance(module, nn.BatchNorm2d)
            and module.running_mean is not None
            and module.running_var is not None
        ):
            module.running_mean.normal_(0, 0.1, generator=draw)
            module.running_var.uniform_(0.8, 1.25, generator=draw)
    last = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
    with torch.no_grad():
        last.weight.normal_(0, 1, generator=draw)


ARCHITECTURES = [
    "vgg16",
    "inception_v3",
    "inception_resnet_v2",
    "googlenet",
    "alexnet",
    "resnet50",
    "densenet121",
    "efficientnet_b0",
    "convnext_tiny",
    "mobilenetv4_conv_small",
    "mobilenetv3_small_100",
    "regnety_004",
    "vit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224",
    "squeezenet1_0",
    "torchvision/shufflenet_v2_x1_0",
    "torchvision/mnasnet1_0",
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "name",
    slow_cases(ARCHITECTURES, ["resnet50", "googlenet", "squeezenet1_0"]),
)
def test_both_engines_agree(name: str, tmp_path: Path) -> None:
    offer = zoo.offer(name)
    network = zoo.build(offer.architecture)
    spread_out(network)
    shape = (3, *offer.preprocessing.size)
    wrapped = with_embedding(network, shape)
    compile_network(wrapped, shape, tmp_path / "net.onnx")
    images = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = wrapped.to(memory_format=torch.channels_last)(images)[0].numpy()
    result = OnnxEngine(tmp_path / "net.onnx").run(images.numpy()).logits
    spread = np.ptp(expected)
    assert spread > 1
    assert np.abs(result - expected).max() <= 1e-4 * spread
    assert (np.argsort(-result)[:, :5] == np.argsort(-expected)[:, :5]).all()
