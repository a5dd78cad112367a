"""The receptive field of a unit: the theoretical one, and the effective part of it that matters."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.inspection.network.layer_fields import HeightAndWidth, layer_fields
from cnncli.inspection.network.loading import InputImage, LoadedModel
from cnncli.inspection.network.maps import maps_by_layer
from cnncli.networks.zoo.layers import capture_outputs, feature_maps, find_layer, full_layer_name
from cnncli.records.pictures import Box, Figure, Panel, Scale, Values

_SHARE = 0.95
"""Share of the gradient that lies within the effective field."""

_CANDIDATES = 101
"""Shares per axis that are tried, from `_SHARE` to 1."""

Rectangle = tuple[float, float, float, float]
"""(top, left, bottom, right) in pixels; bottom and right are exclusive."""


@frozen_dataclass
class UnitField:
    """The receptive field of one unit.

    Attributes:
        layer: name of its layer.
        unit: (row, column) on the layer's maps.
        map_size: (rows, columns) of those maps.
        theoretical: its field, which may reach into padding; None where it may be the whole image.
        is_traced: False where `theoretical` is None although some rows or columns have no influence: the layer mixes
            positions within windows, which tracing does not follow.
        effective: a box that holds 95 % of the gradient, with equal shares cut off at both ends of each axis; None where
            the gradient is zero.
        gradient: (H, W), absolute gradient of the unit with respect to each pixel.
    """

    layer: str
    unit: tuple[int, int]
    map_size: tuple[int, int]
    theoretical: Rectangle | None
    is_traced: bool
    effective: Rectangle | None
    gradient: Values


def unit_field(
    model: LoadedModel, image: InputImage, name: str | None, unit: tuple[int, int] | None
) -> UnitField:
    """Compute the receptive field of a unit.

    The effective field follows Luo, Li, Urtasun and Zemel, "Understanding the Effective Receptive Field in Deep
    Convolutional Neural Networks" (2016): the gradient of the unit, summed over channels, with respect to the image.

    Args:
        model: the network.
        image: its input; gradients depend on it.
        name: of a layer with feature maps; None for the one with the largest field of at most half the image.
        unit: (row, column) on its maps; None for the middle.

    Raises:
        UsageError: there is no such layer or unit, or the layer has no feature maps.
    """
    fields = layer_fields(model, image)
    name = full_layer_name(model.network, name) if name else _readable_layer(model, image, fields)
    images = image.batch.clone().requires_grad_()
    with torch.enable_grad(), capture_outputs({name: find_layer(model.network, name)}) as outputs:
        model.network(images)
        maps = feature_maps(name, outputs, images)
        rows, columns = maps.shape[2:]
        row, column = unit or (rows // 2, columns // 2)
        if row >= rows or column >= columns:
            raise UsageError(
                f"unit {row},{column} is outside the maps of {rows} rows and {columns} columns",
                "rows and columns count from 0",
            )
        gradient = _absolute_gradient(maps[0, :, row, column], images)
    field = fields[name]
    reaches_everywhere = bool(gradient.any(axis=0).all() and gradient.any(axis=1).all())
    return UnitField(
        name,
        (row, column),
        (rows, columns),
        _rectangle(field[0].span(row), field[1].span(column)) if field else None,
        field is not None or not gradient.any() or reaches_everywhere,
        _effective_box(gradient) if gradient.any() else None,
        gradient,
    )


def _readable_layer(
    model: LoadedModel, image: InputImage, fields: Mapping[str, HeightAndWidth | None]
) -> str:
    """The convolution or pooling with the largest field of at most half the image; the first one where all are larger.

    The first layer's field of a few pixels would hardly be visible.

    Raises:
        UsageError: no layer has feature maps.
    """
    names = list(maps_by_layer(model, image.batch))
    if not names:
        raise UsageError(f"{model.card.name} has no layer with feature maps")
    areas = {}
    for name in names:
        field = fields.get(name)
        if field and all(
            2 * axis.size <= side for axis, side in zip(field, image.batch.shape[2:], strict=True)
        ):
            areas[name] = field[0].size * field[1].size
    return max(areas, key=lambda name: areas[name]) if areas else names[0]


def _rectangle(rows: tuple[float, float], columns: tuple[float, float]) -> Rectangle:
    return rows[0], columns[0], rows[1], columns[1]


def _absolute_gradient(values: Tensor, images: Tensor) -> Values:
    """(H, W): absolute gradient of the sum of absolute values (D,) with respect to an image, summed over channels."""
    (gradient,) = torch.autograd.grad(values.abs().sum(), images)
    weights: Values = gradient[0].abs().sum(0).double().numpy()
    return weights


def _effective_box(gradient: Values) -> Rectangle:
    """The smallest box of central intervals that holds `_SHARE` of a gradient (H, W)."""
    for share in np.linspace(_SHARE, 1, _CANDIDATES):
        (top, bottom), (left, right) = (_central_interval(gradient.sum(axis=axis), share) for axis in (1, 0))
        if gradient[top:bottom, left:right].sum() >= _SHARE * gradient.sum():
            break
    return float(top), float(left), float(bottom), float(right)


def _central_interval(weights: Values, share: float) -> tuple[int, int]:
    """First index and exclusive last one that hold a share of a distribution, with equal shares cut off at both ends."""
    cumulative = np.cumsum(weights) / weights.sum()
    tail = (1 - share) / 2
    last = int(np.searchsorted(cumulative, 1 - tail))
    return int(np.searchsorted(cumulative, tail)), min(last + 1, len(weights))


def figure(model: LoadedModel, image: InputImage, field: UnitField) -> Figure:
    """The fields as boxes on the image, and the gradient of each pixel."""
    height, width = image.batch.shape[2:]
    theoretical = (_box(field.theoretical or (0, 0, height, width), ""),) if field.is_traced else ()
    effective = [_box(field.effective, "95 %: ")] if field.effective else []
    row, column = field.unit
    rows, columns = field.map_size
    return Figure(
        f"{model.card.name}, {field.layer}: receptive field of unit {row},{column} of {columns} x {rows}",
        (
            Panel(
                "theoretical and effective receptive field",
                image.picture,
                Scale.IMAGE,
                boxes=(*theoretical, *effective),
            ),
            Panel("gradient", field.gradient, Scale.STRENGTH, boxes=theoretical),
        ),
        2,
        legend="absolute gradient of the unit, summed over channels",
        note=_note(field, (height, width)),
    )


def _box(rectangle: Rectangle, prefix: str) -> Box:
    top, left, bottom, right = rectangle
    return Box(left, top, right - left, bottom - top, f"{prefix}{right - left:g} x {bottom - top:g}")


def _note(field: UnitField, size: tuple[int, int]) -> str:
    if field.effective is None:
        return "The gradient is zero everywhere: the unit is inactive for this image."
    if not field.is_traced:
        return "The layer mixes positions within windows: its theoretical field is smaller than the image, but not traced."
    if field.theoretical is None:
        return "The theoretical field is the whole image."
    top, left, bottom, right = field.theoretical
    if top < 0 or left < 0 or bottom > size[0] or right > size[1]:
        return "The theoretical field reaches beyond the image, into padding."
    return ""
