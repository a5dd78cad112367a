"""The filters of a layer, as a figure."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cnncli.errors import UsageError
from cnncli.inspection.network.loading import LoadedModel
from cnncli.networks import zoo
from cnncli.networks.zoo.layers import find_layer, full_layer_name, layer_outputs
from cnncli.records.networks import ModelCard
from cnncli.records.pictures import Figure, Panel, Scale

DEFAULT_FILTERS, DEFAULT_ROWS = 64, 1024
"""Filters of a layer that are drawn by default, and rows of a matrix."""
MAX_CHANNELS = 8
"""Input channels of each filter that are drawn, where they are not red, green and blue."""
_COLUMNS = 8
_RGB = 3

FilterLayers = nn.Conv2d | nn.Linear


def figure(model: LoadedModel, name: str | None, top: int | None, *, beside_random: bool) -> Figure:
    """The filters of a layer in a grid; in colours if its input is an RGB image, else channel by channel.

    Filters of 1 x 1 and those of a fully connected layer have no shape to show: they are the rows of a matrix.

    Args:
        model: the network.
        name: of a convolution or fully connected layer; None for the first.
        top: filters to draw; None for `DEFAULT_FILTERS`, or `DEFAULT_ROWS` of a matrix.
        beside_random: draw those of the untrained network next to them.

    Raises:
        UsageError: there is no such layer, or it has no filters.
    """
    layer = full_layer_name(model.network, name) if name else first_weight_layer(model)
    weights = _filters(model.network, layer, model.card)
    is_matrix = weights.shape[2:] == (1, 1)
    top = top or (DEFAULT_ROWS if is_matrix else DEFAULT_FILTERS)
    trained, random = weights[:top], None
    largest = [float(weights.abs().max()) or 1.0]
    sizes = f"The largest weight is {largest[0]:.3g}."
    if beside_random:
        untrained = _filters(zoo.build(model.card.architecture, seed=1), layer, model.card)
        largest.append(float(untrained.abs().max()) or 1.0)
        random = untrained[:top]
        sizes = f"The largest weight is {largest[0]:.3g} after training and {largest[1]:.3g} before."
    title = f"{model.card.name}, {layer}: "
    if is_matrix:
        return _matrix_figure(
            title, weights, [trained, *([] if random is None else [random])], largest, sizes
        )
    is_on_image = layer == first_weight_layer(model)
    is_rgb = is_on_image and weights.shape[1] == _RGB == model.card.architecture.channels
    channels = min(weights.shape[1], MAX_CHANNELS)
    is_row_per_filter = not is_rgb and channels > 1
    columns = channels if is_row_per_filter else min(_COLUMNS, len(trained))
    description = _description(weights, len(trained), None if is_rgb else channels)
    return Figure(
        title + description + ("; trained (left) and untrained (right)" if beside_random else ""),
        tuple(_panels(trained, random, columns, largest, is_rgb=is_rgb)),
        columns * 2 + 1 if beside_random else columns,
        legend=None if is_rgb else "weight" + (", each side on its own scale" if random is not None else ""),
        note=("Grey is zero; the filter responds most to the colours shown. " if is_rgb else "") + sizes,
    )


def _matrix_figure(
    title: str, weights: Tensor, networks: Sequence[Tensor], largest: Sequence[float], note: str
) -> Figure:
    """The weights of each network (D_out, D_in, 1, 1) as a matrix, its longer side horizontal.

    Args:
        title: beginning of the figure's title.
        weights: of the whole layer.
        networks: of the rows to draw, for the trained and perhaps the untrained network.
        largest: absolute weight of each of them.
        note: a remark below.
    """
    outputs, inputs = weights.shape[:2]
    shown = len(networks[0])
    is_tall = shown > inputs
    names = ("", "") if len(networks) == 1 else ("trained: ", "untrained: ")
    axes = (
        "one column per output, one row per input" if is_tall else "one row per output, one column per input"
    )
    panels = []
    for name, values, limit in zip(names, networks, largest, strict=False):
        matrix = values.flatten(1).double().numpy()
        panels.append(Panel(f"{name}{axes}", matrix.T if is_tall else matrix, Scale.SIGNED, (-limit, limit)))
    selection = f", the first {shown:,} outputs" if shown < outputs else ""
    return Figure(
        f"{title}weights of {outputs:,} outputs on {inputs:,} inputs{selection}",
        tuple(panels),
        len(networks),
        legend="weight" + (", each side on its own scale" if len(networks) > 1 else ""),
        note=note,
    )


def first_weight_layer(model: LoadedModel) -> str:
    """The name of the first convolution or fully connected layer that is called.

    Raises:
        UsageError: the network has none.
    """
    card = model.card
    layers = {
        name: module for name, module in model.network.named_modules() if isinstance(module, FilterLayers)
    }
    images = torch.zeros(1, card.preprocessing.channels, *card.preprocessing.size)
    for name in layer_outputs(model.network, layers, images):
        return name
    raise UsageError(f"{card.name} has no convolution and no fully connected layer")


def _filters(network: nn.Module, name: str, card: ModelCard) -> Tensor:
    """(D_out, D_in, K_h, K_w): the weights of a layer."""
    module = find_layer(network, name)
    if isinstance(module, nn.Conv2d):
        return module.weight.detach().float()
    shape = (card.preprocessing.channels, *card.preprocessing.size)
    if isinstance(module, nn.Linear):
        is_on_image = module.in_features == np.prod(shape)
        return (
            module.weight.detach()
            .float()
            .reshape(module.out_features, -1, *(shape[1:] if is_on_image else (1, 1)))
        )
    inside = [child for child, layer in module.named_modules() if isinstance(layer, nn.Conv2d)]
    hint = (
        f"it contains {name}.{inside[0]}"
        if inside
        else "name a convolution; `cnncli summary` lists all layers"
    )
    raise UsageError(f"{name} is a {type(module).__name__}, which has no filters to draw", hint)


def _description(filters: Tensor, count: int, channels: int | None) -> str:
    total, depth, height, width = filters.shape
    text = f"{total} filters of {height}x{width}x{depth}"
    text += f", the first {count}" if count < total else ""
    return text + (f", one per row, channels 1 to {channels}" if channels and 1 < channels < depth else "")


def _panels(
    trained: Tensor, random: Tensor | None, columns: int, largest: Sequence[float], *, is_rgb: bool
) -> Iterator[Panel]:
    """Row by row: filters of the trained network, then those of the untrained one at the same positions.

    Args:
        trained: (D, C, K_h, K_w).
        random: likewise; None for none.
        columns: filters per row, or channels where each filter has a row.
        largest: absolute weight of each of the two networks.
        is_rgb: one panel per filter, in colours.
    """
    groups = [trained] if random is None else [trained, random]
    is_row_per_filter = not is_rgb and trained.shape[1] > 1
    step = 1 if is_row_per_filter else columns
    for start in range(0, len(trained), step):
        for filters, limit in zip(groups, largest, strict=True):
            if filters is random:
                yield _BLANK
            for index in range(start, start + step):
                if index < len(filters):
                    yield from _filter_panels(filters[index], str(index + 1), limit, is_rgb=is_rgb)
                elif len(groups) > 1:
                    yield _BLANK


_BLANK = Panel("", np.full((1, 1), 255.0), Scale.IMAGE)
"""Keeps the columns aligned where a row is not full."""


def _filter_panels(weights: Tensor, title: str, limit: float, *, is_rgb: bool) -> Iterator[Panel]:
    """One panel in colours, or one for each of the first input channels."""
    values = weights.double().numpy()
    if is_rgb:
        yield Panel(title, values.transpose(1, 2, 0), Scale.IMAGE, (-limit, limit))
        return
    for channel, plane in enumerate(values[:MAX_CHANNELS]):
        panel_title = title if len(values) == 1 else f"{title}, {channel + 1}"
        yield Panel(panel_title, plane, Scale.SIGNED, (-limit, limit))
