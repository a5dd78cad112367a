"""Feature maps: what the layers of a network make of an image, as plates."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from cnncli.errors import UsageError
from cnncli.inspection.network import Opened, Seen
from cnncli.networks.layers import answers, as_maps, maps_of, named_layer
from cnncli.records.pictures import Panel, Plate, Scale

_COLUMNS = 8
_LAYERS_IN_A_ROW = 5
_EVEN = 1e-12

MapLayers = (nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
"""Layers that a walk through a network stops at: those that convolve and those that pool."""


def layer_maps(opened: Opened, image: Seen, name: str) -> Tensor:
    """(D, h, w): the feature maps of a layer.

    Raises:
        UsageError: there is no such layer, it is not used, or it gives no maps.
    """
    found = answers(opened.network, {name: named_layer(opened.network, name)}, image.images)
    return maps_of(name, found, image.images)[0]


def first_layer(opened: Opened, image: Seen) -> str:
    """The first layer that gives maps.

    Raises:
        UsageError: none does.
    """
    for name in walked(opened, image.images):
        return name
    raise UsageError(f"{opened.card.name} has no layer that gives maps")


def strength(maps: Tensor) -> Tensor:
    """(D,): how strongly each map (D, h, w) answers to something in the image: the standard deviation of its values.

    A map that is the same everywhere tells nothing, however large its values.
    """
    return maps.flatten(1).std(dim=1, correction=0)


def strongest(maps: Tensor, top: int) -> list[int]:
    """The numbers of the maps that answer most strongly, the strongest first; of equals the lower number."""
    order = torch.sort(strength(maps), descending=True, stable=True).indices
    return [int(number) for number in order[:top]]


def plate_of_layer(opened: Opened, image: Seen, name: str, top: int) -> Plate:
    """The image and the strongest maps of one layer.

    Raises:
        UsageError: as `layer_maps`.
    """
    maps = layer_maps(opened, image, name)
    chosen = strongest(maps, top)
    panels = [_panel(f"map {number + 1}", maps, number) for number in chosen]
    told = "all" if len(chosen) == len(maps) else f"the strongest {len(chosen)} of"
    count, height, width = maps.shape
    return Plate(
        f"{opened.card.name}, {name}: {told} {count} maps of {height} x {width}, the strongest first",
        (Panel("the image", image.picture, Scale.IMAGE), *panels),
        min(_COLUMNS, len(panels) + 1),
        legend="activation",
    )


def plate_of_all(opened: Opened, image: Seen) -> Plate:
    """Layer by layer the strongest map, and what happens to the shape.

    Raises:
        UsageError: no layer gives maps.
    """
    found = walked(opened, image.images)
    if not found:
        raise UsageError(f"{opened.card.name} has no layer that gives maps")
    panels = []
    for name, maps in found.items():
        (number,) = strongest(maps, 1)
        count, height, width = maps.shape
        title = f"{name}\n{count} x {height} x {width}, map {number + 1}"
        panels.append(_panel(title, maps, number))
    size = " x ".join(map(str, image.images.shape[1:]))
    return Plate(
        f"{opened.card.name}, layer by layer: the strongest map of each",
        (Panel(f"the image: {size}", image.picture, Scale.IMAGE), *panels),
        _LAYERS_IN_A_ROW,
        legend="activation",
    )


def walked(opened: Opened, images: Tensor, *more: str) -> dict[str, Tensor]:
    """For an image (1, C, H, W) the maps (D, h, w) of all layers that convolve or pool, in the order in which the image meets them.

    Where there are hardly any, as in a transformer, those of the blocks.

    Args:
        opened: the network.
        images: one image.
        more: other layers, by name.
    """
    modules = dict(opened.network.named_modules())
    layers = {
        name: module for name, module in modules.items() if isinstance(module, MapLayers) or name in more
    }
    if len(layers) < 3:  # noqa: PLR2004 - the patches of a transformer, and little else
        layers |= {name: modules[name] for name in _blocks(modules)}
    found = answers(opened.network, layers, images)
    maps = {name: as_maps(output, images.shape[2:]) for name, output in found.items()}
    return {name: one[0] for name, one in maps.items() if one is not None and len(one) == len(images)}


def _blocks(modules: Mapping[str, nn.Module]) -> Iterator[str]:
    """The names of modules that stand in a row of their like."""
    for name, module in modules.items():
        children = dict(module.named_children())
        if len(children) > 1 and len({type(child) for child in children.values()}) == 1:
            yield from (f"{name}.{child}" if name else child for child in children)


def _panel(title: str, maps: Tensor, number: int) -> Panel:
    """One of a layer's maps (D, h, w): signed where any of them has values below zero, else as strength."""
    scale = Scale.SIGNED if maps.min() < -_EVEN else Scale.STRENGTH
    return Panel(title, maps[number].double().numpy(), scale)
