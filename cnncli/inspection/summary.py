"""What a typed name is made of and costs: found, built without weights, sent one batch of no content through."""

import contextlib
import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cnncli.errors import CnncliError, GeometryError, UsageError
from cnncli.inspection.tracing import MISFITS, TracingError, trace
from cnncli.networks import blueprint, model_folder, zoo
from cnncli.networks.blueprint import shapes
from cnncli.networks.blueprint.writer import written
from cnncli.networks.prepared import find_finished
from cnncli.networks.reference import HUB, Reference
from cnncli.networks.zoo.offer import Offer
from cnncli.records.anatomy import Anatomy
from cnncli.records.networks import Architecture, HeadKind, ModelCard
from cnncli.records.progress import NullProgress

_LARGEST_SIDE = 65_536
_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}


@dataclass(frozen=True, slots=True)
class SummarySettings:
    """What is sent through a network; None leaves it as the network has it.

    Attributes:
        image_size: (height, width) in pixels.
        batch_size: images.
        channels: planes of the input.
        num_classes: rows of the last layer.
        dtype: of weights and activations.
    """

    image_size: tuple[int, int] | None = None
    batch_size: int = 1
    channels: int | None = None
    num_classes: int | None = None
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class Subject:
    """A network that can be built.

    Attributes:
        name: in full.
        architecture: how to build it.
        size: (height, width) of its input in pixels; (length,) for signals of one axis.
        top1: percent of ImageNet's validation images, where known.
    """

    name: str
    architecture: Architecture
    size: tuple[int, ...]
    top1: float | None


def subject(reference: Reference, settings: SummarySettings) -> Subject:
    """What a name leads to.

    Raises:
        CnncliError: nowhere, or to a network that cannot be changed so.
    """
    size = settings.image_size
    if size and max(size) > _LARGEST_SIDE:
        raise UsageError(
            f"an image of {size[0]} x {size[1]} pixels is too large", f"{_LARGEST_SIDE} is the longest side"
        )
    if blueprint.is_blueprint(reference.name):
        return _drawn(reference.name, settings)
    if path := find_finished(reference):
        card = model_folder.open_folder(path).card
        found = _of_folder(card)
    elif reference.is_exported:
        raise model_folder.without_weights(reference.name)
    else:
        offered = _offer(reference.name, size)
        found = Subject(offered.name, offered.architecture, offered.preprocessing.size, offered.top1)
    if found.architecture.library == "torchvision" and settings.channels not in {None, 3}:
        raise UsageError(f"{found.name} takes 3 channels", "timm's networks take any number")
    changed = dataclasses.replace(
        found.architecture,
        channels=settings.channels or found.architecture.channels,
        num_classes=settings.num_classes or found.architecture.num_classes,
    )
    if changed != found.architecture:
        found = dataclasses.replace(found, architecture=changed, top1=None)
    return dataclasses.replace(found, size=size or found.size)


def _of_folder(card: ModelCard) -> Subject:
    """A finished network; where its classifier is none that torch knows, without it."""
    head, architecture, name = card.architecture.head, card.architecture, card.name
    if head and head.kind is HeadKind.NEIGHBOURS:
        architecture = dataclasses.replace(architecture, num_classes=head.own_classes, head=None)
        name = f"{name} before its nearest neighbours"
    return Subject(name, architecture, card.preprocessing.size, None)


def _offer(name: str, size: tuple[int, int] | None) -> Offer:
    if not name.startswith(HUB):
        return zoo.offer(name, size)
    from cnncli.networks import hub_repository  # imports timm, which most names need not

    return hub_repository.offer(name, size, NullProgress(), is_offline=False)


def _drawn(name: str, settings: SummarySettings) -> Subject:
    """A blueprint, which need not end in logits to be looked at."""
    if settings.channels or settings.num_classes:
        raise UsageError("a blueprint says itself how many channels and classes it has", "change its text")
    drawn = blueprint.find(name, settings.image_size)
    channels, *size = drawn.input
    shape = shapes.output_shape(drawn)
    label = blueprint.label(name)
    return Subject(
        label,
        Architecture("blueprint", label, shape[0], channels, blueprint=written(drawn)),
        tuple(size),
        None,
    )


def taken_apart(reference: Reference, settings: SummarySettings) -> tuple[Subject, Anatomy]:
    """What a name leads to, and what that is made of.

    Raises:
        GeometryError: the image does not fit it; the message names the layer, the hint the smallest that does.
        CnncliError: the name leads nowhere, or to a network that cannot be changed so.
    """
    try:
        item = subject(reference, settings)
        return item, anatomy(item, settings)
    except GeometryError as error:
        if error.hint or settings.image_size is None:
            raise
        raise GeometryError(error.message, _smallest(reference, settings)) from error


def anatomy(item: Subject, settings: SummarySettings) -> Anatomy:
    """The network taken apart.

    Raises:
        GeometryError: the image does not fit it; the message names the layer.
    """
    try:
        network, device = _built(item.architecture)
        try:
            return _sent(item, network, device, settings)
        except TracingError as error:
            if not error.needs_values or device.type != "meta":
                raise
            return _sent(item, _with_values(item.architecture), torch.device("cpu"), settings)
    except (TracingError, *MISFITS) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise GeometryError(
            f"{item.name} cannot take {' x '.join(map(str, item.size))} pixels: {why}"
        ) from error


def _built(architecture: Architecture) -> tuple[nn.Module, torch.device]:
    """On the meta device where that is possible, where nothing has values; else for real."""
    meta = torch.device("meta")
    with contextlib.suppress(NotImplementedError, RuntimeError), meta:
        return zoo.build(architecture), meta
    return _with_values(architecture), torch.device("cpu")


def _with_values(architecture: Architecture) -> nn.Module:
    with torch.device("cpu"):
        return zoo.build(architecture)


def _sent(item: Subject, network: nn.Module, device: torch.device, settings: SummarySettings) -> Anatomy:
    network.to(_DTYPES[settings.dtype])
    return trace(network, _images(item, device, settings), item.name)


def _images(item: Subject, device: torch.device, settings: SummarySettings) -> Tensor:
    """A batch without content."""
    shape = (settings.batch_size, item.architecture.channels, *item.size)
    return torch.zeros(shape, dtype=_DTYPES[settings.dtype], device=device)


# ---- the smallest image


_SIDES = sorted({2**n for n in range(11)} | {3 * 2**n for n in range(3, 8)} | {7 * 2**n for n in range(2, 7)})
"""Sides that are tried: powers of two, and what lies between them for networks that take multiples only."""


def _smallest(reference: Reference, settings: SummarySettings) -> str | None:
    """A hint that names the smallest square that goes through, where there is one.

    Some networks take multiples of a number only; between two sides that are tried, the larger taken and the smaller
    not, it is found by halving.
    """
    own = subject(reference, dataclasses.replace(settings, image_size=None)).size
    usual = f"its own is {' x '.join(map(str, own))}"
    low = 0
    for high in sorted({*_SIDES, max(own)}):
        if _goes(reference, settings, high):
            break
        low = high
    else:
        return usual
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _goes(reference, settings, middle) else (middle, high)
    return f"the smallest square that works is {high}, {usual}"


def _goes(reference: Reference, settings: SummarySettings, side: int) -> bool:
    """Whether a square image goes through the network that is built for it."""
    try:
        item = subject(reference, dataclasses.replace(settings, image_size=(side, side), batch_size=1))
        network, device = _built(item.architecture)
        network.to(_DTYPES[settings.dtype])
        with torch.no_grad():
            network(_images(item, device, settings))
    except (CnncliError, *MISFITS):
        return False
    return True
