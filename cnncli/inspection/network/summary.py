"""Anatomies of networks by name: resolved, built without weights and traced with an empty batch."""

import contextlib
import dataclasses

import torch
from torch import Tensor, nn

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import CnncliError, CompileError, GeometryError, UsageError
from cnncli.inspection.network.tracing import FORWARD_ERRORS, TracingError, trace
from cnncli.networks import blueprint, model_folder, zoo
from cnncli.networks.blueprint import shapes
from cnncli.networks.blueprint.writer import to_text
from cnncli.networks.prepared import find_card
from cnncli.networks.reference import HUB, Reference
from cnncli.networks.zoo.offer import Offer
from cnncli.records.anatomy import Anatomy
from cnncli.records.networks import Architecture, HeadKind, ModelCard
from cnncli.records.progress import NullProgress
from cnncli.text import first_line

_LARGEST_SIDE = 65_536
_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}


@frozen_dataclass
class SummarySettings:
    """What a network is built for and traced with; None for the network's own.

    Attributes:
        image_size: (height, width) in pixels.
        batch_size: images per batch.
        channels: of the input image.
        num_classes: outputs of the last layer.
        dtype: of weights and activations.
    """

    image_size: tuple[int, int] | None = None
    batch_size: int = 1
    channels: int | None = None
    num_classes: int | None = None
    dtype: str = "float32"


@frozen_dataclass
class NetworkSpec:
    """A network that can be built without weights.

    Attributes:
        name: its full name.
        architecture: how to build it.
        size: (height, width) of its input in pixels; (length,) for a 1D signal.
        top1: published top-1 accuracy on ImageNet's validation set in percent; None where unknown.
    """

    name: str
    architecture: Architecture
    size: tuple[int, ...]
    top1: float | None


def resolve_spec(reference: Reference, settings: SummarySettings) -> NetworkSpec:
    """The network that a reference names, changed as the settings say.

    Raises:
        CnncliError: there is no such network, or it cannot be changed like this.
    """
    size = settings.image_size
    if size and max(size) > _LARGEST_SIDE:
        raise UsageError(
            f"an image of {size[0]} x {size[1]} pixels is too large", f"the limit is {_LARGEST_SIDE} per side"
        )
    if blueprint.is_blueprint(reference.name):
        return _blueprint_spec(reference.name, settings)
    if card := find_card(reference, NullProgress()):
        spec = _folder_spec(card)
    elif reference.is_exported:
        raise model_folder.no_weights_error(reference.name)
    else:
        offer = _offer(reference, size)
        spec = NetworkSpec(offer.name, offer.architecture, offer.preprocessing.size, offer.top1)
    if spec.architecture.library == "torchvision" and settings.channels not in {None, 3}:
        raise UsageError(f"{spec.name} takes 3 channels", "timm's networks accept any number of channels")
    architecture = dataclasses.replace(
        spec.architecture,
        channels=settings.channels or spec.architecture.channels,
        num_classes=settings.num_classes or spec.architecture.num_classes,
    )
    if architecture != spec.architecture:
        spec = dataclasses.replace(spec, architecture=architecture, top1=None)
    return dataclasses.replace(spec, size=size or spec.size)


def _folder_spec(card: ModelCard) -> NetworkSpec:
    """The network of a model folder; without its classifier if that is not a torch module (nearest neighbours)."""
    head, architecture, name = card.architecture.head, card.architecture, card.name
    if head and head.kind is HeadKind.NEIGHBOURS:
        architecture = dataclasses.replace(architecture, num_classes=head.own_classes, head=None)
        name = f"{name} without its nearest-neighbour classifier"
    return NetworkSpec(name, architecture, card.preprocessing.size, None)


def _offer(reference: Reference, size: tuple[int, int] | None) -> Offer:
    name, folder = reference.name, reference.saved_folder
    if not name.startswith(HUB) and not folder:
        return zoo.offer(name, size)
    from cnncli.networks.zoo import hub_repository  # imports timm, which most names do not need

    if folder:
        return hub_repository.folder_offer(folder, size)
    return hub_repository.offer(name, size, NullProgress(), is_offline=False)


def _blueprint_spec(name: str, settings: SummarySettings) -> NetworkSpec:
    """A blueprint, which for a summary need not end in logits."""
    if settings.channels or settings.num_classes:
        raise UsageError(
            "--channels and --num-classes have no effect on a blueprint, which states both", "edit its text"
        )
    tree = blueprint.find(name, settings.image_size)
    channels, *size = tree.input
    shape = shapes.output_shape(tree)
    label = blueprint.network_name(name)
    return NetworkSpec(
        label,
        Architecture("blueprint", label, shape[0], channels, blueprint=to_text(tree)),
        tuple(size),
        None,
    )


def inspect_network(reference: Reference, settings: SummarySettings) -> tuple[NetworkSpec, Anatomy]:
    """The network that a reference names, and its anatomy.

    Raises:
        GeometryError: the image size does not fit; the message names the layer, the hint the smallest size that does.
        CnncliError: there is no such network, or it cannot be changed as the settings say.
    """
    try:
        spec = resolve_spec(reference, settings)
        return spec, trace_spec(spec, settings)
    except GeometryError as error:
        if error.hint or settings.image_size is None:
            raise
        raise GeometryError(error.message, _smallest_size_hint(reference, settings)) from error


def trace_spec(spec: NetworkSpec, settings: SummarySettings) -> Anatomy:
    """Build a network and trace it; on the meta device, unless it needs the values of its input.

    Raises:
        GeometryError: the image size does not fit; the message names the layer.
    """
    try:
        network, device = build_without_weights(spec.architecture)
        try:
            return _trace(spec, network, device, settings)
        except TracingError as error:
            if not error.needs_values or device.type != "meta":
                raise
            return _trace(spec, _build_on_cpu(spec.architecture), torch.device("cpu"), settings)
    except (TracingError, *FORWARD_ERRORS) as error:
        size = " x ".join(map(str, spec.size))
        raise GeometryError(f"{spec.name} does not accept {size} pixels: {first_line(error)}") from error


def build_without_weights(architecture: Architecture) -> tuple[nn.Module, torch.device]:
    """A network on the meta device, whose tensors have no values; on the CPU with random weights where that fails."""
    meta = torch.device("meta")
    with contextlib.suppress(NotImplementedError, RuntimeError, CompileError), meta:
        return zoo.build(architecture), meta
    return _build_on_cpu(architecture), torch.device("cpu")


def _build_on_cpu(architecture: Architecture) -> nn.Module:
    with torch.device("cpu"):
        return zoo.build(architecture)


def _trace(spec: NetworkSpec, network: nn.Module, device: torch.device, settings: SummarySettings) -> Anatomy:
    network.to(_DTYPES[settings.dtype])
    return trace(network, _zeros(spec, device, settings), spec.name)


def _zeros(spec: NetworkSpec, device: torch.device, settings: SummarySettings) -> Tensor:
    """(N, C, H, W) zeros."""
    shape = (settings.batch_size, spec.architecture.channels, *spec.size)
    return torch.zeros(shape, dtype=_DTYPES[settings.dtype], device=device)


# ---- the smallest image


_SIDES = sorted({2**n for n in range(11)} | {3 * 2**n for n in range(3, 8)} | {7 * 2**n for n in range(2, 7)})
"""Sizes to try: powers of two, and some in between for networks that accept multiples of a number only."""


def _smallest_size_hint(reference: Reference, settings: SummarySettings) -> str | None:
    """A hint with the smallest square image that works, if there is one, and the network's own size.

    Some networks accept multiples of a number only. Between the largest size tried that fails and the smallest that
    works, bisection finds the limit.
    """
    default_size = resolve_spec(reference, dataclasses.replace(settings, image_size=None)).size
    own_size = f"the network's own size is {' x '.join(map(str, default_size))}"
    low = 0
    for high in sorted({*_SIDES, max(default_size)}):
        if _fits(reference, settings, high):
            break
        low = high
    else:
        return own_size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _fits(reference, settings, middle) else (middle, high)
    return f"the smallest square size that works is {high}; {own_size}"


def _fits(reference: Reference, settings: SummarySettings, side: int) -> bool:
    """Whether the network, built for a square image, runs on it."""
    try:
        spec = resolve_spec(reference, dataclasses.replace(settings, image_size=(side, side), batch_size=1))
        network, device = build_without_weights(spec.architecture)
        network.to(_DTYPES[settings.dtype])
        with torch.no_grad():
            network(_zeros(spec, device, settings))
    except (CnncliError, *FORWARD_ERRORS):
        return False
    return True
