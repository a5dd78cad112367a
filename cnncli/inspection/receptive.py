"""Where on an image a unit looks: its theoretical receptive field, and the part of it that counts."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cnncli.errors import UsageError
from cnncli.inspection.fields import fields
from cnncli.inspection.maps import first_layer
from cnncli.inspection.network import Opened, Seen
from cnncli.networks.layers import layer_name, maps_of, named_layer, watched
from cnncli.records.pictures import Box, Panel, Plate, Scale, Values

_SHARE = 0.95
"""Of the gradient that the effective field holds."""
_TRIES = 101


Rectangle = tuple[float, float, float, float]
"""(top, left, bottom, right) in pixels, the last two beyond the end."""


@dataclass(frozen=True, slots=True)
class Field:
    """What a unit sees.

    Attributes:
        layer: its layer.
        unit: (row, column) on the layer's maps.
        of: (rows, columns) of those maps.
        theoretical: its field, which may reach into padding; None where it may be all of the image.
        is_followed: False where `theoretical` is None, and yet no pixel of some row or column counts: positions were mixed
            within windows, which nobody follows here.
        effective: a box that holds 95 % of what pixels weigh, as much left out on either side of an axis; None where the
            unit is silent and no pixel weighs anything.
        gradient: (H, W), how much each pixel of the image weighs.
    """

    layer: str
    unit: tuple[int, int]
    of: tuple[int, int]
    theoretical: Rectangle | None
    is_followed: bool
    effective: Rectangle | None
    gradient: Values


def field(opened: Opened, image: Seen, name: str | None, unit: tuple[int, int] | None) -> Field:
    """The receptive field of a unit.

    The effective one is after Luo, Li, Urtasun and Zemel, "Understanding the Effective Receptive Field in Deep Convolutional
    Neural Networks" (2016): the gradient of the unit, summed over the channels, with respect to the image.

    Args:
        opened: the network.
        image: that it looks at; gradients depend on it.
        name: of a layer that gives maps; None takes the first.
        unit: (row, column) on them; None takes the middle.

    Raises:
        UsageError: there is no such layer or unit, or the layer gives no maps.
    """
    name = layer_name(opened.network, name) if name else first_layer(opened, image)
    images = image.images.clone().requires_grad_()
    with torch.enable_grad(), watched({name: named_layer(opened.network, name)}) as found:
        opened.network(images)
        maps = maps_of(name, found, images)
        rows, columns = maps.shape[2:]
        row, column = unit or (rows // 2, columns // 2)
        if row >= rows or column >= columns:
            raise UsageError(
                f"there is no unit {row},{column} on maps of {rows} x {columns}", "they count from 0"
            )
        weighed = _weighed(maps[0, :, row, column], images)
    seen = fields(opened, image)[name]
    return Field(
        name,
        (row, column),
        (rows, columns),
        _rectangle(seen[0].of(row), seen[1].of(column)) if seen else None,
        seen is not None
        or not weighed.any()
        or bool(weighed.any(axis=0).all() and weighed.any(axis=1).all()),
        _holding(weighed) if weighed.any() else None,
        weighed,
    )


def _rectangle(rows: tuple[float, float], columns: tuple[float, float]) -> Rectangle:
    """Of the first row and the one after the last, and likewise of columns."""
    return rows[0], columns[0], rows[1], columns[1]


def _weighed(values: Tensor, images: Tensor) -> Values:
    (gradient,) = torch.autograd.grad(values.abs().sum(), images)
    weighed: Values = gradient[0].abs().sum(0).double().numpy()
    return weighed


def _holding(weighed: Values) -> Rectangle:
    """The smallest box of its kind that holds `_SHARE` of what pixels (H, W) weigh."""
    for share in np.linspace(_SHARE, 1, _TRIES):
        (top, bottom), (left, right) = (_middle(weighed.sum(axis=axis), share) for axis in (1, 0))
        if weighed[top:bottom, left:right].sum() >= _SHARE * weighed.sum():
            break
    return float(top), float(left), float(bottom), float(right)


def _middle(weights: Values, share: float) -> tuple[int, int]:
    """The first place and the one after the last that hold a share of a distribution, as much cut off on either side."""
    total = np.cumsum(weights) / weights.sum()
    rest = (1 - share) / 2
    return int(np.searchsorted(total, rest)), min(int(np.searchsorted(total, 1 - rest)) + 1, len(weights))


def plate(opened: Opened, image: Seen, found: Field) -> Plate:
    """The field as a box on the image, and what pixels weigh."""
    height, width = image.images.shape[2:]
    whole = (0, 0, height, width)
    theoretical = (_drawn(found.theoretical or whole, ""),) if found.is_followed else ()
    effective = [_drawn(found.effective, "95 %: ")] if found.effective else []
    row, column = found.unit
    rows, columns = found.of
    return Plate(
        f"{opened.card.name}, {found.layer}: what unit {row},{column} of {rows} x {columns} sees",
        (
            Panel(
                "its receptive field, and where it really looks",
                image.picture,
                Scale.IMAGE,
                boxes=(*theoretical, *effective),
            ),
            Panel("how much each pixel weighs", found.gradient, Scale.STRENGTH, boxes=theoretical),
        ),
        2,
        legend="absolute gradient of the unit, summed over channels",
        note=_remark(found, (height, width)),
    )


def _drawn(rectangle: Rectangle, word: str) -> Box:
    top, left, bottom, right = rectangle
    return Box(left, top, right - left, bottom - top, f"{word}{bottom - top:g} x {right - left:g}")


def _remark(found: Field, size: tuple[int, int]) -> str:
    if found.effective is None:
        return "The unit is silent for this image: no pixel weighs anything."
    if not found.is_followed:
        return "Its layer mixes positions within windows: its field is not all of the image, and is not followed."
    if found.theoretical is None:
        return "In theory it sees all of the image."
    top, left, bottom, right = found.theoretical
    if top < 0 or left < 0 or bottom > size[0] or right > size[1]:
        return "The field reaches beyond the image, into padding."
    return ""
