"""Networks of timm, of torchvision, of blueprints: found by name, built, and described.

The one place that knows which library has what; each has a module here that knows what it calls things. Importing
torchvision and timm takes time, so each is imported when something of its own is asked for.
"""

import dataclasses

from torch import Tensor, nn, random

from cnncli.errors import ModelNotFoundError, UsageError
from cnncli.networks import blueprint, index, pocket
from cnncli.networks.embedding import LinearOnEmbedding
from cnncli.networks.reference import LIBRARY
from cnncli.networks.zoo.offer import Offer, no_drop_path
from cnncli.records.networks import Architecture, HeadKind


def offer(name: str, image_size: tuple[int, int] | None = None) -> Offer:
    """What a name stands for: timm's where timm has it, else torchvision's; `torchvision/NAME` always.

    Args:
        name: of a network, with or without the tag of its weights.
        image_size: (height, width) in pixels, where it should differ from the weights' own.

    Raises:
        ModelNotFoundError: no library has it; the message has the closest names.
        UsageError: the network cannot take that image size.
    """
    if name == pocket.NAME:
        name, image_size = str(pocket.BLUEPRINT), image_size or pocket.SIZE
    if blueprint.is_blueprint(name):
        from cnncli.networks.zoo import blueprints

        return blueprints.offer(name, image_size)
    architecture, _, tag = name.removeprefix(LIBRARY).partition(".")
    if not name.startswith(LIBRARY) and _timm_has(architecture):
        from cnncli.networks.zoo import timm

        return timm.offer(architecture, tag, image_size)
    from cnncli.networks.zoo import torchvision

    if architecture in torchvision.architectures():
        return torchvision.offer(architecture, tag, image_size)
    raise ModelNotFoundError(
        f"no network is called {name!r}", index.closest_names_hint(name, index.read().entries)
    )


def _timm_has(architecture: str) -> bool:
    """Whether timm knows a name; the index answers where it was made from the libraries that are here."""
    libraries = index.libraries(architecture)
    if libraries is not None:
        return "timm" in libraries
    import timm

    return timm.is_model(architecture)


def build(architecture: Architecture, *, seed: int = 0, drop_path: float = 0.0) -> nn.Module:
    """The network in evaluation mode, with random weights: the same ones each time.

    Args:
        architecture: what to build.
        seed: of the weights.
        drop_path: probability that, in training, its last residual block is skipped; less for those below it.

    Raises:
        UsageError: a classifier that torch cannot run; a network without residual blocks that could be skipped.
    """
    random.manual_seed(seed)
    head = architecture.head
    if head is None:
        return _build_from_library(architecture, drop_path).eval()
    if head.kind is HeadKind.NEIGHBOURS:
        raise UsageError(
            "a nearest-neighbour classifier runs on ONNX Runtime only, and torch can neither look into it nor train it",
            "take the network that it was made from, or a classifier of --classifier logistic",
        )
    network = _build_from_library(
        dataclasses.replace(architecture, num_classes=head.own_classes, head=None), drop_path
    )
    return LinearOnEmbedding(network, head.layer, nn.Linear(head.width, architecture.num_classes)).eval()


def with_num_classes(architecture: Architecture, count: int) -> Architecture:
    """The same architecture with another number of classes, and a last layer of its own."""
    own = dataclasses.replace(architecture, num_classes=count, head=None)
    if architecture.library != "blueprint":
        return own
    return dataclasses.replace(own, blueprint=blueprint.with_num_classes(architecture.blueprint or "", count))


def _build_from_library(architecture: Architecture, drop_path: float) -> nn.Module:
    """The network as its library builds it."""
    network: nn.Module
    match architecture.library:
        case "timm":
            from cnncli.networks.zoo import timm

            network = timm.build(architecture, drop_path)
        case "torchvision":
            from cnncli.networks.zoo import torchvision

            network = torchvision.build(architecture, drop_path)
        case "blueprint":
            from cnncli.networks.blueprint.builder import build as build_blueprint
            from cnncli.networks.blueprint.parser import parse

            if drop_path:
                raise no_drop_path(architecture)
            network = build_blueprint(parse(architecture.blueprint or ""))
    return network


def adapt_weights(
    tensors: dict[str, Tensor], network: nn.Module, architecture: Architecture
) -> dict[str, Tensor]:
    """Weights as published by a network's authors, named and shaped as the library's network has them."""
    own = network.state_dict()
    if all(name in own and own[name].shape == value.shape for name, value in tensors.items()):
        return tensors
    match architecture.library:
        case "timm":
            from cnncli.networks.zoo import timm

            return timm.adapt_weights(tensors, network)
        case "torchvision":
            from cnncli.networks.zoo import torchvision

            return torchvision.adapt_weights(tensors, network)
        case "blueprint":
            return tensors


def synsets(offered: Offer) -> tuple[str, ...] | None:
    """WordNet's identifiers of an offer's classes; None where they are not ImageNet's."""
    if offered.imagenet is None:
        return None
    from cnncli.networks.zoo import timm

    return timm.synsets(offered.imagenet)


def versions() -> dict[str, str]:
    """Versions of the libraries that build networks."""
    import timm
    import torch
    import torchvision

    return {"torch": torch.__version__, "torchvision": torchvision.__version__, "timm": timm.__version__}
