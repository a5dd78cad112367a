"""Networks of timm, torchvision, transformers and blueprints: by name, with preprocessing and class names, and built.

This module chooses the library for a name; each library has a module of its own. Importing torchvision and timm is slow, so
each is imported only when it is needed.
"""

import dataclasses

from torch import Tensor, nn, random

from cnncli.errors import ModelNotFoundError, UsageError
from cnncli.networks import blueprint, index, pocket
from cnncli.networks.model_folder import no_weights_error
from cnncli.networks.normalization import Normalization
from cnncli.networks.reference import LIBRARY
from cnncli.networks.zoo.cut import CutNetwork
from cnncli.networks.zoo.embedding import LinearOnEmbedding
from cnncli.networks.zoo.offer import Offer, no_drop_path
from cnncli.records.networks import Architecture, HeadKind, Library


def offer(name: str, image_size: tuple[int, int] | None = None) -> Offer:
    """The network of a name: timm's if timm has it, else torchvision's; `torchvision/NAME` is always torchvision's.

    Args:
        name: of a network, with or without the tag of its weights.
        image_size: (height, width) in pixels; None for that of the weights.

    Raises:
        ModelNotFoundError: no library has such a network; the hint has the closest names.
        UsageError: the network does not support that image size.
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
    """Whether timm has an architecture: from the index if it matches the installed libraries, else from timm."""
    libraries = index.libraries(architecture)
    if libraries is not None:
        return "timm" in libraries
    import timm

    return timm.is_model(architecture)


def build(architecture: Architecture, *, seed: int = 0, drop_path: float = 0.0) -> nn.Module:
    """Build a network in evaluation mode, with random weights that depend on the seed only.

    Args:
        architecture: to build.
        seed: of the random weights.
        drop_path: stochastic depth rate of the last residual block; lower for earlier ones.

    Raises:
        ModelNotFoundError: its library has no such network.
        UsageError: torch cannot run its classifier, it cannot be cut at this layer, or it does not support stochastic depth.
    """
    random.manual_seed(seed)
    head, cut = architecture.head, architecture.cut
    if head and head.kind is HeadKind.NEIGHBOURS:
        raise UsageError(
            "a nearest-neighbour classifier runs on ONNX Runtime only, and cannot be inspected or trained by torch",
            "use the network that it was made from, or fine-tune with --classifier logistic",
        )
    network = _build_from_library(architecture.whole(), drop_path).eval()
    if cut:
        network = CutNetwork(network, cut.layer, (architecture.channels, *cut.size), architecture.num_classes)
    elif head:
        linear = nn.Linear(head.width, architecture.num_classes)
        network = LinearOnEmbedding(network, head.layer, linear, is_cosine=head.kind is HeadKind.COSINE)
    return network.eval()


def with_num_classes(architecture: Architecture, count: int) -> Architecture:
    """The same architecture with another number of classes, and the library's own last layer."""
    changed = dataclasses.replace(architecture, num_classes=count, head=None)
    if architecture.library != "blueprint" or architecture.cut:
        return changed
    return dataclasses.replace(
        changed, blueprint=blueprint.with_num_classes(architecture.blueprint or "", count)
    )


def with_normalization(architecture: Architecture, normalization: Normalization) -> Architecture:
    """The architecture with another normalisation of pixels, which only the text of a blueprint records."""
    if architecture.library != "blueprint":
        return architecture
    text = blueprint.with_normalization(architecture.blueprint or "", normalization)
    return dataclasses.replace(architecture, blueprint=text)


def _build_from_library(architecture: Architecture, drop_path: float) -> nn.Module:
    """The network as built by its library, without another head."""
    network: nn.Module
    match architecture.library:
        case "timm":
            from cnncli.networks.zoo import timm

            network = timm.build(architecture, drop_path)
        case "torchvision":
            from cnncli.networks.zoo import torchvision

            network = torchvision.build(architecture, drop_path)
        case "blueprint":
            from cnncli.networks.blueprint.parser import parse
            from cnncli.networks.zoo.blueprint_builder import build as build_blueprint

            if drop_path:
                raise no_drop_path(architecture)
            network = build_blueprint(parse(architecture.blueprint or ""))
        case "transformers":
            from cnncli.networks.zoo import transformers

            network = transformers.build(architecture, drop_path)
        case "onnx":
            raise no_weights_error(architecture.name)
    return network


def adapt_weights(
    tensors: dict[str, Tensor], network: nn.Module, architecture: Architecture
) -> dict[str, Tensor]:
    """Weights as published by a network's authors, renamed and reshaped for the library's network."""
    expected = network.state_dict()
    if all(name in expected and expected[name].shape == value.shape for name, value in tensors.items()):
        return tensors
    match architecture.library:
        case "timm":
            from cnncli.networks.zoo import timm

            return timm.adapt_weights(tensors, network)
        case "torchvision":
            from cnncli.networks.zoo import torchvision

            return torchvision.adapt_weights(tensors, network)
        case "blueprint" | "transformers" | "onnx":
            return tensors


def synsets(offer: Offer) -> tuple[str, ...] | None:
    """WordNet IDs of an offer's classes; None where they are not those of ImageNet."""
    if offer.imagenet is None:
        return None
    from cnncli.networks.zoo import timm

    return timm.synsets(offer.imagenet)


def versions(library: Library) -> dict[str, str]:
    """Versions of the packages that a library's networks depend on."""
    import timm
    import torch
    import torchvision

    packages = [torch, torchvision, timm]
    if library == "transformers":
        import transformers

        packages.append(transformers)
    return {package.__name__: str(package.__version__) for package in packages}
