"""What a typed name is made of and costs: found, built without weights, sent one batch of no content through."""

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from cnncli.errors import GeometryError, UsageError
from cnncli.inspection.tracing import TracingError, trace
from cnncli.networks import blueprint, model_folder, zoo
from cnncli.networks.blueprint import shapes
from cnncli.networks.blueprint.writer import written
from cnncli.networks.reference import HUB, Reference
from cnncli.networks.zoo.offer import Offer
from cnncli.records.anatomy import Anatomy
from cnncli.records.networks import Architecture
from cnncli.records.progress import Silence

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
    if path := reference.find_folder():
        card = model_folder.open_folder(path).card
        found = Subject(card.name, card.architecture, card.preprocessing.size, None)
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


def _offer(name: str, size: tuple[int, int] | None) -> Offer:
    if not name.startswith(HUB):
        return zoo.offer(name, size)
    from cnncli.networks import hub_repository  # imports timm, which most names need not

    return hub_repository.offer(name, size, Silence(), is_offline=False)


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


def anatomy(item: Subject, settings: SummarySettings) -> Anatomy:
    """The network taken apart.

    Raises:
        GeometryError: the image is too small for it; the message names the layer, the hint the smallest that works.
        CnncliError: it cannot be built.
    """
    network, device = _built(item.architecture)
    send = _sender(item, network, device, settings)
    try:
        return send(item.size)
    except TracingError as problem:
        error = problem
    if error.needs_values and device.type == "meta":
        send = _sender(item, _with_values(item.architecture), torch.device("cpu"), settings)
        try:
            return send(item.size)
        except TracingError as problem:
            error = problem
    smallest = _smallest(send, item.size)
    raise GeometryError(
        f"{item.name} cannot take {' x '.join(map(str, item.size))} pixels: {error}",
        f"the smallest square that works is {smallest}" if smallest else None,
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


def _sender(
    item: Subject, network: nn.Module, device: torch.device, settings: SummarySettings
) -> Callable[[tuple[int, ...]], Anatomy]:
    network.to(_DTYPES[settings.dtype])

    def send(size: tuple[int, ...]) -> Anatomy:
        shape = (settings.batch_size, item.architecture.channels, *size)
        images = torch.zeros(shape, dtype=_DTYPES[settings.dtype], device=device)
        return trace(network, images, item.name)

    return send


def _smallest(send: Callable[[tuple[int, ...]], Anatomy], failed: tuple[int, ...]) -> int | None:
    """The shortest side of a square that goes through, found by halving; None where there is none to be found."""

    def goes(side: int) -> bool:
        try:
            send((side, side))
        except TracingError:
            return False
        return True

    low, high = min(failed), max(failed)
    while not goes(high):
        low, high = high, high * 2
        if high > 4096:  # noqa: PLR2004 - no network is that hungry
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if goes(middle) else (middle, high)
    return high
