"""Feature maps: the outputs of a network's layers for an image, as figures."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from cnncli.errors import UsageError
from cnncli.inspection.network.loading import InputImage, LoadedModel
from cnncli.networks.zoo.blueprint_layers import GlobalAveragePool
from cnncli.networks.zoo.layers import as_maps, feature_maps, find_layer, layer_outputs, output_per_image
from cnncli.records.pictures import BarChart, Figure, Panel, Scale
from cnncli.text import shape_text

DEFAULT_MAPS, DEFAULT_BARS = 63, 30
"""Maps of a layer that are drawn by default: with the image they fill eight rows; bars where each is a single number."""
_COLUMNS = 8
_LAYERS_PER_ROW = 5
_BARS_PER_LAYER = 10
"""Bars that are as high as the maps beside them."""
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


def layer_numbers(model: LoadedModel, image: InputImage, name: str) -> Tensor | None:
    """(D,): the output of a layer that gives single numbers, as global pooling does; None where it does not.

    Raises:
        UsageError: there is no such layer, or it is not called.
    """
    outputs = layer_outputs(model.network, {name: find_layer(model.network, name)}, image.batch)
    return _as_numbers(output_per_image(name, outputs, 1)[0])


def _as_numbers(output: Tensor) -> Tensor | None:
    """(D,) from (D,) or (D, 1, 1)."""
    return output.flatten() if output.ndim == 1 or output.shape[1:] == (1, 1) else None


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


def layer_figure(model: LoadedModel, image: InputImage, name: str, top: int | None) -> Figure:
    """The image and the strongest maps of one layer; the largest numbers, as bars, where its maps are single numbers.

    Args:
        model: the network.
        image: its input.
        name: of the layer.
        top: maps to draw; None for `DEFAULT_MAPS`, or `DEFAULT_BARS` for numbers.

    Raises:
        UsageError: as `layer_maps`.
    """
    numbers = layer_numbers(model, image, name)
    if numbers is not None:
        return _bar_figure(model, image, name, numbers, top or DEFAULT_BARS)
    maps = layer_maps(model, image, name)
    indices = strongest(maps, top or DEFAULT_MAPS)
    panels = [_panel(f"map {index + 1}", maps, index) for index in indices]
    count, height, width = maps.shape
    return Figure(
        f"{model.card.name}, {name}: {_selection(len(indices), count)} feature maps of {width} x {height}, "
        "strongest first",
        (Panel("input", image.picture, Scale.IMAGE), *panels),
        min(_COLUMNS, len(panels) + 1),
        legend="activation",
    )


def _selection(shown: int, count: int) -> str:
    return f"all {count:,}" if shown == count else f"{shown} of {count:,}"


def _bar_figure(model: LoadedModel, image: InputImage, name: str, numbers: Tensor, top: int) -> Figure:
    chart = _bar_chart("value of each unit", numbers, top)
    zeros = int((numbers == 0).sum())
    return Figure(
        f"{model.card.name}, {name}: {_selection(len(chart.labels), len(numbers))} numbers"
        + (", those of largest magnitude" if len(chart.labels) < len(numbers) else ""),
        (Panel("input", image.picture, Scale.IMAGE), chart),
        2,
        note=f"The {len(numbers):,} numbers lie between {numbers.min():.3g} and {numbers.max():.3g}"
        + (f"; {zeros:,} are zero." if zeros else "."),
    )


def _bar_chart(title: str, numbers: Tensor, top: int) -> BarChart:
    """The numbers (D,) with the largest absolute values, from the largest to the smallest."""
    largest = torch.sort(numbers.abs(), descending=True, stable=True).indices[:top].tolist()
    order = sorted(largest, key=lambda index: -float(numbers[index]))
    values = numbers[order].double().numpy()
    scale = Scale.SIGNED if numbers.min() < -_EPSILON else Scale.STRENGTH
    return BarChart(title, values, tuple(f"unit {index + 1}" for index in order), scale)


def all_layers_figure(model: LoadedModel, image: InputImage) -> Figure:
    """The strongest map of each layer, with the shape of the layer's output; bars for layers that give single numbers.

    Raises:
        UsageError: no layer has feature maps.
    """
    layers = maps_by_layer(model, image.batch)
    if not layers:
        raise UsageError(f"{model.card.name} has no layer with feature maps")
    layers |= _global_averages(model, image)
    panels: list[Panel | BarChart] = []
    for name, maps in layers.items():
        title = f"{name}\n{shape_text(maps.shape)}"
        numbers = _as_numbers(maps)
        if numbers is not None:
            panels.append(_bar_chart(f"{title}, largest", numbers, _BARS_PER_LAYER))
            continue
        (index,) = strongest(maps, 1)
        panels.append(_panel(f"{title}, map {index + 1}", maps, index))
    size = shape_text(image.batch.shape[1:])
    return Figure(
        f"{model.card.name}: strongest feature map of each layer",
        (Panel(f"input: {size}", image.picture, Scale.IMAGE), *panels),
        _LAYERS_PER_ROW,
        legend="activation",
    )


def _global_averages(model: LoadedModel, image: InputImage) -> dict[str, Tensor]:
    """(D,): the outputs of a blueprint's global average poolings, which end its maps."""
    modules = model.network.named_modules()
    layers = {name: module for name, module in modules if isinstance(module, GlobalAveragePool)}
    return {name: output[0] for name, output in layer_outputs(model.network, layers, image.batch).items()}


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
