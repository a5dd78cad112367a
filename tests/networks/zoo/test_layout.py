"""A network's tensors are found in a checkpoint whatever module held it, and its classifier wherever it lies."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cnncli.errors import UsageError, WeightsError
from cnncli.networks import zoo
from cnncli.networks.pretrained import InitialWeights, build_network
from cnncli.networks.reference import Reference
from cnncli.networks.zoo.layout import divide
from cnncli.prepare import prepare
from cnncli.records.networks import Architecture
from cnncli.records.progress import NullProgress

NAME, CLASSES, WIDTH = "test_resnet", 3, 96


class Listener(NullProgress):
    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, message: str) -> None:
        self.notices.append(message)


def trained(classes: int = CLASSES) -> dict[str, Tensor]:
    return zoo.build(Architecture("timm", NAME, classes), seed=5).state_dict()


def backbone() -> dict[str, Tensor]:
    return {name: value for name, value in trained().items() if not name.startswith("fc.")}


def classifier(name: str) -> dict[str, Tensor]:
    return {f"{name}.{tensor}": trained()[f"fc.{tensor}"] for tensor in ("weight", "bias")}


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in tensors.items()}


def numbered() -> dict[str, Tensor]:
    """The backbone's tensors as fastai's body names them: an nn.Sequential of the network's children."""
    children = list(zoo.build(Architecture("timm", NAME, CLASSES), seed=5).children())[:-1]
    return nn.Sequential(*children).state_dict()


def build(tensors: dict[str, Tensor], name: str = NAME) -> tuple[nn.Module, Architecture, list[str]]:
    """The network made from the tensors of a local file, its architecture, and what is said about them."""
    listener = Listener()
    initial = InitialWeights(tensors, "w.pth", "a test")
    network, architecture = build_network(zoo.offer(name), initial, listener, is_local=True)
    return network, architecture, listener.notices


def same_as_trained(network: nn.Module) -> bool:
    expected = trained()
    return all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


PREFIXES = (
    *("", "module.", "_orig_mod.", "model.", "net.", "backbone.", "encoder.", "network.", "timm_model."),
    *("0.model.", "module._orig_mod.", "model.my_cnn."),
)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_is_removed(prefix: str) -> None:
    network = zoo.build(Architecture("timm", NAME, CLASSES))
    content = divide(under(prefix, trained()) | {"n_averaged": torch.tensor(7)}, network)
    assert content.inside.keys() == network.state_dict().keys()
    assert content.outside == {}


def test_usual_prefixes_are_removed_from_names_of_other_libraries() -> None:
    content = divide({"model.backbone.stage.weight": torch.ones(1)}, zoo.build(Architecture("timm", NAME, 3)))
    assert list(content.inside) == ["stage.weight"]


@pytest.mark.parametrize("prefix", ["model.", ""])
def test_modules_of_the_training_beside_the_network_are_ignored(prefix: str) -> None:
    """Lightning's module holds the loss beside the network, or is the network itself."""
    tensors = under(prefix, trained()) | {"criterion.weight": torch.ones(3)}
    network, architecture, notices = build(tensors)
    assert same_as_trained(network)
    assert architecture.num_classes == CLASSES
    assert notices == ["w.pth: ignored 1 tensor that is not part of the network, in criterion"]


@pytest.mark.parametrize(
    ("tensors", "layer"),
    [
        (under("backbone.", backbone()) | classifier("head.fc"), "head.fc"),
        (under("model.backbone.", backbone()) | classifier("model.classifier"), "model.classifier"),
        (backbone() | classifier("fc.1"), "fc.1"),
        (under("0.", numbered()) | classifier("1.2"), "1.2"),
    ],
    ids=["MMPretrain", "Lightning", "dropout before it", "fastai with a linear head"],
)
def test_a_classifier_elsewhere_is_used(tensors: dict[str, Tensor], layer: str) -> None:
    network, _, notices = build(tensors)
    assert same_as_trained(network)
    assert notices == [f"w.pth: its layer {layer} is used as the classifier"]


FASTAI_HEAD = {
    "1.2.weight": torch.ones(192),
    "1.4.weight": torch.ones(WIDTH, 192),
    "1.8.weight": torch.ones(3, WIDTH),
}
"""Of fastai's usual head: two linear layers after pooling by mean and by maximum."""


@pytest.mark.parametrize(
    ("tensors", "ignored"),
    [
        (backbone(), None),
        (
            under("encoder.", backbone()) | {"projector.weight": torch.ones(8, WIDTH)},
            "1 tensor that is not part of the network, in projector",
        ),
        (under("0.", numbered()) | FASTAI_HEAD, "3 tensors that are not part of the network, in 1"),
        (
            backbone() | {"fc.0.weight": torch.ones(8, WIDTH), "fc.2.weight": torch.ones(3, 8)},
            "2 tensors that are not part of the network, in fc",
        ),
    ],
    ids=["bare", "contrastive", "fastai", "two layers"],
)
def test_a_backbone_gives_features(tensors: dict[str, Tensor], ignored: str | None) -> None:
    network, architecture, notices = build(tensors)
    assert architecture.num_classes == 0
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, WIDTH)
    assert network.state_dict().keys() == backbone().keys()
    features = f"w.pth has no classifier that fits {NAME}: the network gives features"
    assert notices == [*([f"w.pth: ignored {ignored}"] if ignored else []), features]


def test_predicting_with_a_backbone_is_refused_in_one_line(tmp_path: Path) -> None:
    torch.save(backbone(), tmp_path / "w.pth")
    reference = Reference(NAME, tmp_path / "w.pth")
    folder = prepare(reference, NullProgress())
    assert folder.card.is_feature_extractor
    assert folder.card.embedding.size == WIDTH
    with pytest.raises(UsageError, match="has no classifier: it gives features, not classes"):
        prepare(reference, NullProgress(), needs_classes=True)
    (tmp_path / "names").write_text("a\nb\n")
    with pytest.raises(WeightsError, match=r"w\.pth has no classes: it gives features"):
        prepare(Reference(NAME, tmp_path / "w.pth", tmp_path / "names"), NullProgress())


@pytest.mark.parametrize(
    ("name", "layer", "width"), [("squeezenet1_1", "classifier.1", 512), ("shufflenet_v2_x0_5", "fc", 1024)]
)
def test_a_backbone_of_torchvision_gives_features(name: str, layer: str, width: int) -> None:
    network = zoo.build(Architecture("torchvision", name, 5))
    kept = {name: value for name, value in network.state_dict().items() if not name.startswith(layer)}
    found, architecture, _ = build(kept, f"torchvision/{name}")
    assert architecture.num_classes == 0
    assert found(torch.zeros(1, 3, 64, 64)).shape == (1, width)


def test_weights_of_a_deeper_network_are_refused() -> None:
    """Its first layers fit, but leaving out the others would change what the network computes."""
    with pytest.raises(WeightsError, match=r"layer4\.1\.conv1\.weight is not part of the network"):
        build(trained() | {"layer4.1.conv1.weight": torch.ones(1)})


def test_the_architecture_in_the_checkpoint_is_suggested(tmp_path: Path) -> None:
    torch.save({"arch": "resnet18", "state_dict": {"stem.weight": torch.ones(1)}}, tmp_path / "w.pth")
    with pytest.raises(
        WeightsError, match=r"has 0 of the 92 tensors in conv1, bn1, .*; it holds stem"
    ) as caught:
        prepare(Reference(NAME, tmp_path / "w.pth"), NullProgress())
    assert caught.value.hint == "the file says that its architecture is resnet18: -m resnet18"
