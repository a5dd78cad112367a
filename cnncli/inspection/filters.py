"""The kernels of a layer, as a plate: what its units look for."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cnncli.errors import UsageError
from cnncli.inspection.network import Opened
from cnncli.networks import zoo
from cnncli.networks.layers import answers, layer_name, named_layer
from cnncli.records.networks import ModelCard
from cnncli.records.pictures import Panel, Plate, Scale

CHANNELS = 8
"""Input channels of each filter that are drawn, where they are no colours."""
_COLUMNS = 8
_COLOURS = 3

Weighted = nn.Conv2d | nn.Linear


def filters(opened: Opened, name: str | None, top: int, *, beside_random: bool) -> Plate:
    """The filters of a layer in a grid; of the first layer, which sees colours, in colours.

    Args:
        opened: the network.
        name: of a convolution, or of a fully connected layer on the image itself; None takes the first.
        top: filters that are drawn.
        beside_random: those of the same network before any training beside them.

    Raises:
        UsageError: there is no such layer, or it has no filters.
    """
    chosen = layer_name(opened.network, name) if name else first_layer(opened)
    trained = _kernels(opened.network, chosen, opened.card)
    shown, random = trained[:top], None
    largest = [float(trained.abs().max()) or 1.0]
    sizes = f"The largest weight is {largest[0]:.3g}."
    if beside_random:
        every = _kernels(zoo.build(opened.card.architecture, seed=1), chosen, opened.card)
        largest.append(float(every.abs().max()) or 1.0)
        random = every[:top]
        sizes = f"The largest weight is {largest[0]:.3g} after training and {largest[1]:.3g} before."
    sees_image = chosen == first_layer(opened)
    has_colours = sees_image and trained.shape[1] == _COLOURS == opened.card.architecture.channels
    channels = min(trained.shape[1], CHANNELS)
    is_grid = not has_colours and channels > 1
    columns = channels if is_grid else min(_COLUMNS, len(shown))
    title = f"{opened.card.name}, {chosen}: {_told(trained, len(shown), None if has_colours else channels)}"
    return Plate(
        title + ("; on the left as trained, on the right before" if beside_random else ""),
        tuple(_panels(shown, random, columns, largest, has_colours=has_colours)),
        columns * 2 + 1 if beside_random else columns,
        legend=None
        if has_colours
        else "weight" + (", either side by its own largest" if random is not None else ""),
        note=("grey is zero; a colour is what the filter answers to. " if has_colours else "") + sizes,
    )


def first_layer(opened: Opened) -> str:
    """The name of the first layer with weights that an image meets.

    Raises:
        UsageError: the network has none.
    """
    card = opened.card
    layers = {name: module for name, module in opened.network.named_modules() if isinstance(module, Weighted)}
    images = torch.zeros(1, card.preprocessing.channels, *card.preprocessing.size)
    for name in answers(opened.network, layers, images):
        return name
    raise UsageError(f"{card.name} has no convolution and no fully connected layer")


def _kernels(network: nn.Module, name: str, card: ModelCard) -> Tensor:
    """(D_out, D_in, K_h, K_w)."""
    module = named_layer(network, name)
    if isinstance(module, nn.Conv2d):
        return module.weight.detach().float()
    how = card.preprocessing
    shape = (how.channels, *how.size)
    if isinstance(module, nn.Linear) and module.in_features == np.prod(shape):
        return module.weight.detach().float().reshape(-1, *shape)
    inside = [part for part, found in module.named_modules() if isinstance(found, nn.Conv2d)]
    hint = (
        f"in it is {name}.{inside[0]}" if inside else "name a convolution; `cnncli summary` lists all layers"
    )
    raise UsageError(f"{name} is a {type(module).__name__}, which has no filters to draw", hint)


def _told(kernels: Tensor, shown: int, channels: int | None) -> str:
    filters_, depth, height, width = kernels.shape
    told = f"{filters_} filters of {height} x {width} x {depth}"
    told += f", the first {shown}" if shown < filters_ else ""
    return told + (f", a row each, channels 1 to {channels}" if channels and 1 < channels < depth else "")


def _panels(
    trained: Tensor, random: Tensor | None, columns: int, largest: Sequence[float], *, has_colours: bool
) -> Iterator[Panel]:
    """Row by row: filters of the trained network, and then those of the other one at the same places.

    Kernels are (D, C, K_h, K_w), `columns` the filters of a row or the channels of one, and `largest` weights of either side.
    """
    groups = [trained] if random is None else [trained, random]
    is_grid = not has_colours and trained.shape[1] > 1
    step = 1 if is_grid else columns
    for start in range(0, len(trained), step):
        for kernels, end in zip(groups, largest, strict=True):
            if kernels is random:
                yield _NOTHING
            for number in range(start, start + step):
                if number < len(kernels):
                    yield from _filter(kernels[number], str(number + 1), end, has_colours=has_colours)
                elif len(groups) > 1:
                    yield _NOTHING


_NOTHING = Panel("", np.full((1, 1), 255.0), Scale.IMAGE)
"""Keeps the columns in line where a row is not full."""


def _filter(kernel: Tensor, title: str, largest: float, *, has_colours: bool) -> Iterator[Panel]:
    """One panel in colours, or one for each of the first input channels."""
    values = kernel.double().numpy()
    if has_colours:
        yield Panel(title, values.transpose(1, 2, 0), Scale.IMAGE, (-largest, largest))
        return
    for channel, plane in enumerate(values[:CHANNELS]):
        told = title if len(values) == 1 else f"{title}, {channel + 1}"
        yield Panel(told, plane, Scale.SIGNED, (-largest, largest))
