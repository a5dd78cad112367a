"""The weights that a reference asks for, and a network that holds them: published, local, or random."""

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import WeightsError
from cnncli.networks.downloads import HubFile, Published
from cnncli.networks.model_folder import sha256
from cnncli.networks.packaged import find_packaged
from cnncli.networks.reference import Reference
from cnncli.networks.saved import part_names
from cnncli.networks.zero_shot import TEXT_TOWERS, ZeroShotClasses
from cnncli.records.progress import Progress
from cnncli.text import counted, quote

if TYPE_CHECKING:
    from torch import nn

    from cnncli.networks.zoo.layout import NetworkTensors
    from cnncli.networks.zoo.offer import Offer
    from cnncli.networks.zoo.weights import StateDict
    from cnncli.records.networks import Architecture

_IMAGENET_CLASSES = 1000
"""Classes of the classifier that local weights are assumed to have where the network is published without one."""


@frozen_dataclass
class InitialWeights:
    """Weights of a network.

    Attributes:
        tensors: by name; None leaves the network random.
        file: name of the file they come from, for messages.
        origin: for the card.
        architecture: the name in a checkpoint of a training script; None where there is none.
    """

    tensors: "StateDict | None"
    file: str
    origin: str
    architecture: str | None = None


def load_weights(
    reference: Reference, offer: "Offer", progress: Progress, *, is_offline: bool
) -> InitialWeights:
    """The weights that a reference asks for.

    Args:
        reference: what the user named.
        offer: what its name stands for.
        progress: reports downloads.
        is_offline: use what is in the caches, download nothing.

    Raises:
        WeightsError: there are none, they cannot be downloaded, or the file cannot be read.
    """
    if not reference.pretrained:
        return InitialWeights(None, "", "random")
    from cnncli.networks.zoo.checkpoint import read_checkpoint

    if reference.weights:
        content = read_checkpoint(reference.weights, progress)
        name, digest = reference.weights.name, sha256(reference.weights)
        return InitialWeights(content.tensors, name, f"{name}, SHA-256 {digest}", content.architecture)
    published = _with_text_tower(offer) if reference.zero_shot else offer.published
    if published is None:
        raise WeightsError(
            f"there are no published weights for {offer.name}",
            "use --weights FILE, or --no-pretrained",
        )
    file, origin = _find_published(offer, published, progress, is_offline=is_offline)
    if offer.architecture.library == "transformers":
        return _load_checkpoint(file, offer, progress)
    tensors = read_checkpoint(file, progress).tensors
    return InitialWeights(tensors, file.name, f"{file.name} as published for {origin}")


def _with_text_tower(offer: "Offer") -> Published:
    """Where an image tower is published together with its text tower."""
    from cnncli.networks.zoo.text_tower import WEIGHTS_FILES

    return HubFile(TEXT_TOWERS[offer.name].repository, WEIGHTS_FILES)


def _load_checkpoint(file: Path, offer: "Offer", progress: Progress) -> InitialWeights:
    """The weights that transformers wrote: a file, or the list of several."""
    from cnncli.networks.zoo import transformers
    from cnncli.networks.zoo.checkpoint import read_checkpoint

    tensors: StateDict = {}
    for name in part_names(file):
        if not (part := file.with_name(name)).is_file():
            raise WeightsError(f"{file} lists {name}, which is not there")
        tensors |= read_checkpoint(part, progress).tensors
    adapted, unused = transformers.adapt(tensors, offer.architecture, str(file))
    _report_unused(unused, file.name, progress)
    return InitialWeights(adapted, file.name, f"{file.name} as published for {offer.name}")


def _find_published(
    offer: "Offer", published: "Published", progress: Progress, *, is_offline: bool
) -> tuple[Path, str]:
    """The file with an offer's published weights and its origin: an installed package, else a server or its cache."""
    from cnncli.networks.zoo import hub

    package = find_packaged(offer.name)
    if package and (file := package.find()):
        return package.verify(file), f"{offer.name}, from the package {package.package}: {package.source}"
    try:
        return hub.fetch(published, progress, is_offline=is_offline), offer.name
    except WeightsError as error:
        if package is None:
            raise
        raise WeightsError(error.message, package.hint) from error


def build_network(
    offer: "Offer",
    initial: InitialWeights,
    progress: Progress,
    *,
    is_local: bool,
    zero_shot: ZeroShotClasses | None = None,
) -> "tuple[nn.Module, Architecture]":
    """The network with its weights, and its architecture with as many classes and channels as the weights have.

    Args:
        offer: what the name stands for.
        initial: the weights.
        progress: reports what of a local file is not used.
        is_local: whether they come from a file of the user's, which may have another number of classes, or none.
        zero_shot: names that its text tower turns into classes; None for its own classes.

    Raises:
        UsageError: the text tower cannot read a name.
        WeightsError: the weights do not fit the network.
    """
    from cnncli.networks import zoo
    from cnncli.networks.zoo import layout, weights

    architecture = offer.architecture
    if initial.tensors is None:
        return zoo.build(architecture), architecture
    if zero_shot:
        from cnncli.networks.zoo.text_tower import build_classifier

        tower = TEXT_TOWERS[offer.name]
        return build_classifier(architecture, tower, zero_shot, initial.tensors, initial.file, progress)
    if is_local and not architecture.num_classes:
        architecture = dataclasses.replace(architecture, num_classes=_IMAGENET_CLASSES)
    network = zoo.build(architecture)
    content = layout.divide(initial.tensors, network)
    tensors = zoo.adapt_weights(content.inside, network, architecture)
    if is_local:
        content = dataclasses.replace(content, inside=tensors)
        network, architecture, tensors = _fit_classifier(
            network, architecture, content, initial.file, progress
        )
    shapes, expected = weights.shapes(tensors), weights.shapes(network.state_dict())
    fitted = dataclasses.replace(
        architecture,
        num_classes=weights.infer_num_classes(shapes, expected, architecture.num_classes),
        channels=weights.infer_channels(shapes, expected, architecture.channels),
    )
    if fitted != architecture:
        network = zoo.build(fitted)
    weights.load_into(network, tensors, initial.file, _architecture_hint(initial, offer))
    return network, fitted


def _fit_classifier(
    network: "nn.Module",
    architecture: "Architecture",
    content: "NetworkTensors",
    file: str,
    progress: Progress,
) -> "tuple[nn.Module, Architecture, StateDict]":
    """The network as the file has it: with its classifier, if need be under another name, or without one.

    Args:
        network: with a classifier.
        architecture: of that network.
        content: of the file.
        file: its name, for messages.
        progress: reports what of the file is not used, and a classifier that is elsewhere or missing.
    """
    from cnncli.networks import zoo
    from cnncli.networks.zoo import layout, weights

    expected, inside = network.state_dict(), content.inside
    missing = {name for name in expected if name not in inside and not weights.is_optional(name)}
    if not missing or architecture.library == "blueprint":
        _report_unused(content.outside, file, progress)
        return network, architecture, inside
    headless = dataclasses.replace(architecture, num_classes=0)
    backbone = zoo.build(headless)
    rest = backbone.state_dict().keys()
    own = {name: value for name, value in expected.items() if name not in rest}
    if missing != own.keys():
        return network, architecture, inside  # loading reports what is missing
    candidates = layout.classifier_names(content, own, rest)
    tensors = {name: value for name, value in inside.items() if name not in candidates}
    layer = layout.find_classifier(content, own, rest)
    if layer is None:
        _report_unused([*content.outside, *(set(candidates) - content.outside.keys())], file, progress)
        progress.notice(f"{file} has no classifier that fits {architecture.name}: the network gives features")
        return backbone, headless, tensors
    classifier = layout.layer_tensors(content, layer)
    _report_unused([name for name in content.outside if name not in candidates], file, progress)
    progress.notice(f"{file}: its layer {layer} is used as the classifier")
    return network, architecture, tensors | {name: classifier[name.rpartition(".")[2]] for name in own}


def _report_unused(names: Collection[str], file: str, progress: Progress) -> None:
    """Report the tensors of a file that are not part of the network."""
    if names:
        from cnncli.networks.zoo.weights import outline

        what = counted(len(names), "tensor that is", "tensors that are")
        progress.notice(f"{file}: ignored {what} not part of the network, in {outline(names)}")


def _architecture_hint(initial: InitialWeights, offer: "Offer") -> str:
    """Hint for weights that do not fit: the architecture that the file names, if it is another one."""
    from cnncli.networks import index
    from cnncli.networks.zoo.weights import OTHER_ARCHITECTURE

    name = initial.architecture
    if name and name != offer.architecture.name and index.is_known(name):
        return f"the file says that its architecture is {name}: -m {quote(name)}"
    return OTHER_ARCHITECTURE
