"""The weights that a reference asks for, and a network that holds them: published, local, or random."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.errors import WeightsError
from cnncli.networks.model_folder import sha256
from cnncli.networks.packaged import find_packaged
from cnncli.networks.reference import Reference
from cnncli.records.progress import Progress

if TYPE_CHECKING:
    from torch import nn

    from cnncli.networks.downloads import Published
    from cnncli.networks.zoo.offer import Offer
    from cnncli.networks.zoo.weights import StateDict
    from cnncli.records.networks import Architecture

_IMAGENET_CLASSES = 1000
"""Classes of the classifier that local weights are assumed to have where the network is published without one."""


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """Weights of a network.

    Attributes:
        tensors: by name; None leaves the network random.
        file: name of the file they come from, for messages.
        origin: for the card.
    """

    tensors: "StateDict | None"
    file: str
    origin: str


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
    from cnncli.networks.zoo.weights import read_state_dict

    if reference.weights:
        tensors = read_state_dict(reference.weights, progress)
        name, digest = reference.weights.name, sha256(reference.weights)
        return InitialWeights(tensors, name, f"{name}, SHA-256 {digest}")
    if offer.published is None:
        raise WeightsError(
            f"there are no published weights for {offer.name}",
            "use --weights FILE, or --no-pretrained",
        )
    file, origin = _find_published(offer, offer.published, progress, is_offline=is_offline)
    return InitialWeights(
        read_state_dict(file, progress), file.name, f"{file.name} as published for {origin}"
    )


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
    offer: "Offer", initial: InitialWeights, *, is_local: bool
) -> "tuple[nn.Module, Architecture]":
    """The network with its weights, and its architecture with as many classes and channels as the weights have.

    Args:
        offer: what the name stands for.
        initial: the weights.
        is_local: whether they come from a file of the user's, which may have another number of classes.

    Raises:
        WeightsError: the weights do not fit the network.
    """
    from cnncli.networks import zoo
    from cnncli.networks.zoo import weights

    architecture = offer.architecture
    network = zoo.build(architecture)
    if is_local and initial.tensors and not architecture.num_classes:
        adapted = zoo.adapt_weights(initial.tensors, network, architecture)
        if adapted.keys() - network.state_dict().keys():  # more than the backbone has: a classifier
            architecture = dataclasses.replace(architecture, num_classes=_IMAGENET_CLASSES)
            network = zoo.build(architecture)
    if initial.tensors is None:
        return network, architecture
    tensors = zoo.adapt_weights(initial.tensors, network, architecture)
    shapes, expected = weights.shapes(tensors), weights.shapes(network.state_dict())
    fitted = dataclasses.replace(
        architecture,
        num_classes=weights.infer_num_classes(shapes, expected, architecture.num_classes),
        channels=weights.infer_channels(shapes, expected, architecture.channels),
    )
    if fitted != architecture:
        network = zoo.build(fitted)
    weights.load_into(network, tensors, initial.file)
    return network, fitted
