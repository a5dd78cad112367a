"""Feature maps: the outputs of a network's layers for an image, as figures."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from cnncli.errors import UsageError
from cnncli.inspection.network.loading import InputImage, LoadedModel
from cnncli.networks.zoo.layers import as_maps, feature_maps, find_layer, layer_outputs
from cnncli.records.pictures import Figure, Panel, Scale

_COLUMNS = 8
_LAYERS_PER_ROW = 5
_EPSILON = 1e-12

MapLayers = (nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
"""The layers that `maps_by_layer` collects: convolutions and poolings."""

_MIN_LAYERS = 3
"""With fewer convolutions and poolings, as in a transformer, the maps of blocks are collected as well."""


def layer_maps(model: LoadedModel, image: InputImage, name: str) -> Tensor:
    """(D, h, w): the feature maps of a layer.

    Raises:
        UsageError: there is no such layer, it is not called, or it has no feature maps.
    """
    outputs = layer_outputs(model.network, {name: find_layer(model.network, name)}, image.batch)
    return feature_maps(name, outputs, image.batch)[0]


def first_map_layer(model: LoadedModel, image: InputImage) -> str:
    """The name of the first layer that has feature maps.

    Raises:
        UsageError: no layer has any.
    """
    for name in maps_by_layer(model, image.batch):
        return name
    raise UsageError(f"{model.card.name} has no layer with feature maps")


def response_strength(maps: Tensor) -> Tensor:
    """(D,): the standard deviation of each map (D, h, w) over its positions.

    A constant map carries no information about the image, however large its values.
    """
    return maps.flatten(1).std(dim=1, correction=0)


def strongest(maps: Tensor, top: int) -> list[int]:
    """Indices of the maps (D, h, w) with the strongest response, strongest first; ties in order of the index."""
    order = torch.sort(response_strength(maps), descending=True, stable=True).indices
    return [int(index) for index in order[:top]]


def layer_figure(model: LoadedModel, image: InputImage, name: str, top: int) -> Figure:
    """The image and the strongest maps of one layer.

    Raises:
        UsageError: as `layer_maps`.
    """
    maps = layer_maps(model, image, name)
    indices = strongest(maps, top)
    panels = [_panel(f"map {index + 1}", maps, index) for index in indices]
    count, height, width = maps.shape
    selection = f"all {count}" if len(indices) == count else f"{len(indices)} of {count}"
    return Figure(
        f"{model.card.name}, {name}: {selection} feature maps of {height} x {width}, strongest first",
        (Panel("input", image.picture, Scale.IMAGE), *panels),
        min(_COLUMNS, len(panels) + 1),
        legend="activation",
    )


def all_layers_figure(model: LoadedModel, image: InputImage) -> Figure:
    """The strongest map of each layer, with the shape of the layer's output.

    Raises:
        UsageError: no layer has feature maps.
    """
    layers = maps_by_layer(model, image.batch)
    if not layers:
        raise UsageError(f"{model.card.name} has no layer with feature maps")
    panels = []
    for name, maps in layers.items():
        (index,) = strongest(maps, 1)
        count, height, width = maps.shape
        title = f"{name}\n{count} x {height} x {width}, map {index + 1}"
        panels.append(_panel(title, maps, index))
    size = " x ".join(map(str, image.batch.shape[1:]))
    return Figure(
        f"{model.card.name}: strongest feature map of each layer",
        (Panel(f"input: {size}", image.picture, Scale.IMAGE), *panels),
        _LAYERS_PER_ROW,
        legend="activation",
    )


def maps_by_layer(model: LoadedModel, images: Tensor, *extra: str) -> dict[str, Tensor]:
    """Feature maps (D, h, w) of all convolutions and poolings, by layer name, in the order of their calls.

    Where there are hardly any, as in a transformer, those of its blocks as well.

    Args:
        model: the network.
        images: (1, C, H, W), one image.
        extra: names of further layers.
    """
    modules = dict(model.network.named_modules())
    layers = {
        name: module for name, module in modules.items() if isinstance(module, MapLayers) or name in extra
    }
    if len(layers) < _MIN_LAYERS:
        layers |= {name: modules[name] for name in _block_names(modules)}
    outputs = layer_outputs(model.network, layers, images)
    maps = {name: as_maps(output, images.shape[2:]) for name, output in outputs.items()}
    return {name: batch[0] for name, batch in maps.items() if batch is not None and len(batch) == len(images)}


def _block_names(modules: Mapping[str, nn.Module]) -> Iterator[str]:
    """The names of modules in a sequence of modules that are all of one class."""
    for name, module in modules.items():
        children = dict(module.named_children())
        if len(children) > 1 and len({type(child) for child in children.values()}) == 1:
            yield from (f"{name}.{child}" if name else child for child in children)


def _panel(title: str, maps: Tensor, index: int) -> Panel:
    """One of a layer's maps (D, h, w), on a signed scale if any map of the layer has negative values."""
    scale = Scale.SIGNED if maps.min() < -_EPSILON else Scale.STRENGTH
    return Panel(title, maps[index].double().numpy(), scale)
