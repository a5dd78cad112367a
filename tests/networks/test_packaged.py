"""Weights that installed packages carry, and the names that EfficientNet-PyTorch gives them."""

import sys
from pathlib import Path

import pytest
import torch

from cnncli.errors import WeightsError
from cnncli.networks import zoo
from cnncli.networks.packaged import PACKAGED, PackagedWeights, find_packaged
from cnncli.networks.zoo import weights
from cnncli.networks.zoo.checkpoint import read_checkpoint
from cnncli.records.networks import Architecture
from cnncli.records.progress import NullProgress


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackagedWeights:
    """An installed package whose code must not run."""
    folder = tmp_path / "weights_of_nobody"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "raise SystemExit('code of a package that only carries weights was run')"
    )
    (folder / "net.pth").write_bytes(b"abc")
    monkeypatch.syspath_prepend(tmp_path)
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    return PackagedWeights(
        "net.tag", "weights-of-nobody", "weights_of_nobody", "net.pth", digest, "mit", "nobody"
    )


def test_a_file_is_found_without_running_the_packages_code(package: PackagedWeights) -> None:
    file = package.find()
    assert file is not None
    assert package.verify(file).read_bytes() == b"abc"
    assert package.module not in sys.modules


def test_a_changed_file_is_refused(package: PackagedWeights) -> None:
    file = package.find()
    assert file is not None
    file.write_bytes(b"abd")
    with pytest.raises(WeightsError, match="is damaged: its SHA-256 is not that of weights-of-nobody"):
        package.verify(file)


def test_a_missing_package_or_weights_file_is_not_found(package: PackagedWeights) -> None:
    file = package.find()
    assert file is not None
    file.unlink()
    assert package.find() is None
    assert PackagedWeights("a.b", "no-such", "no_such_package_here", "x", "", "", "").find() is None


def test_names_lead_to_packages_with_and_without_their_tag() -> None:
    for item in PACKAGED:
        assert find_packaged(item.model) == find_packaged(item.model.partition(".")[0]) == item
        assert zoo.offer(item.model).name == zoo.offer(item.model.partition(".")[0]).name == item.model
        assert zoo.offer(item.model).architecture.num_classes == 1000
    assert find_packaged("resnet50") is find_packaged("tf_efficientnet_lite3.in1k") is None


def test_the_default_models_weights_are_installed_and_fit(packaged_lite0: Path) -> None:
    tensors = read_checkpoint(packaged_lite0, NullProgress()).tensors
    architecture = Architecture("timm", "tf_efficientnet_lite0", 1000)
    network = zoo.build(architecture)
    weights.load_into(network, zoo.adapt_weights(tensors, network, architecture), packaged_lite0.name)
    torch.testing.assert_close(network.state_dict()["classifier.bias"], tensors["_fc.bias"])


@pytest.fixture
def packaged_lite0() -> Path:
    (item,) = [item for item in PACKAGED if item.model == "tf_efficientnet_lite0.in1k"]
    file = item.find()
    assert file is not None, f"{item.package} is a dependency"
    return item.verify(file)


TRANSLATIONS = {
    "_conv_stem.weight": "conv_stem.weight",
    "_bn0.running_mean": "bn1.running_mean",
    "_blocks.0._depthwise_conv.weight": "blocks.0.0.conv_dw.weight",
    "_blocks.0._bn1.bias": "blocks.0.0.bn1.bias",
    "_blocks.0._se_reduce.weight": "blocks.0.0.se.conv_reduce.weight",
    "_blocks.0._project_conv.weight": "blocks.0.0.conv_pw.weight",
    "_blocks.0._bn2.weight": "blocks.0.0.bn2.weight",
    "_blocks.1._depthwise_conv.weight": "blocks.0.1.conv_dw.weight",
    "_blocks.2._expand_conv.weight": "blocks.1.0.conv_pw.weight",
    "_blocks.2._bn0.weight": "blocks.1.0.bn1.weight",
    "_blocks.2._depthwise_conv.weight": "blocks.1.0.conv_dw.weight",
    "_blocks.2._bn1.running_var": "blocks.1.0.bn2.running_var",
    "_blocks.2._se_expand.bias": "blocks.1.0.se.conv_expand.bias",
    "_blocks.2._project_conv.weight": "blocks.1.0.conv_pwl.weight",
    "_blocks.2._bn2.bias": "blocks.1.0.bn3.bias",
    "_blocks.22._expand_conv.weight": "blocks.6.1.conv_pw.weight",
    "_conv_head.weight": "conv_head.weight",
    "_bn1.weight": "bn2.weight",
    "_fc.weight": "classifier.weight",
}
"""Of EfficientNet-B1: two blocks without expansion, 23 in all, squeeze and excite."""


def test_state_dicts_of_efficientnet_pytorch_fit_timms_networks() -> None:
    """The package's own b0 to b8 and lite0 to lite4 were compared with timm's when this was written: the same logits."""
    architecture = Architecture("timm", "tf_efficientnet_b1", 10)
    network = zoo.build(architecture)
    own = network.state_dict()
    tensors = {old: own[new] for old, new in TRANSLATIONS.items()}
    translated = zoo.adapt_weights(tensors, network, architecture)
    assert list(translated) == list(TRANSLATIONS.values())
    assert all(translated[name] is own[name] for name in translated)


def test_unknown_keys_are_kept_and_reported() -> None:
    architecture = Architecture("timm", "tf_efficientnet_lite0", 10)
    network = zoo.build(architecture)
    own = network.state_dict()
    strange = {
        "_conv_stem.weight": own["conv_stem.weight"],
        "_blocks.0._depthwise_conv.weight": own["blocks.0.0.conv_dw.weight"],
        "_blocks.99._bn1.weight": own["bn1.weight"],
        "_dropout.weight": own["bn1.weight"],
    }
    translated = zoo.adapt_weights(strange, network, architecture)
    assert {"_blocks.99._bn1.weight", "_dropout.weight"} <= set(translated)
    with pytest.raises(WeightsError, match="does not fit the network"):
        weights.load_into(network, translated, "strange.pth")
