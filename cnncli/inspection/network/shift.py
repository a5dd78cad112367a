"""Translation equivariance: whether feature maps move with the image."""

import dataclasses

import torch
from torch import Tensor
from torch.nn import functional

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.geometry import ReceptiveField
from cnncli.inspection.network.layer_fields import HeightAndWidth, layer_fields
from cnncli.inspection.network.loading import InputImage, LoadedModel
from cnncli.inspection.network.maps import layer_maps, maps_by_layer, strongest
from cnncli.networks.zoo.layers import full_layer_name
from cnncli.records.anatomy import LayerShift
from cnncli.records.pictures import Figure, Panel, Scale, Values


@frozen_dataclass
class ShiftComparison:
    """The feature maps (D, h, w) of an image and of its shifted copy, by layer.

    Attributes:
        image: the original.
        offset: pixels to the right and down.
        before, after: the maps of the image and of its shifted copy.
        layers: what the shift did to the maps of each layer.
    """

    image: InputImage
    offset: tuple[int, int]
    before: dict[str, Tensor]
    after: dict[str, Tensor]
    layers: tuple[LayerShift, ...]


def compare_shift(
    model: LoadedModel, image: InputImage, offset: tuple[int, int], *extra: str
) -> ShiftComparison:
    """Shift an image and compare the feature maps of each layer with the equally shifted maps of the original.

    Args:
        model: the network.
        image: its input.
        offset: pixels to the right and down.
        extra: names of layers to compare that are neither convolutions nor poolings.

    Raises:
        UsageError: there is no such layer or it has no feature maps, the offset is zero or more than half of the image,
            or no layer has feature maps.
    """
    right, down = offset
    height, width = image.batch.shape[2:]
    if not (right or down):
        raise UsageError(
            "--shift 0,0 does not move the image", "write pixels to the right and down, e.g. 8,0"
        )
    if 2 * abs(right) >= width or 2 * abs(down) >= height:
        raise UsageError(f"--shift {right},{down} is at least half of the image of {width} x {height}")
    extra = tuple(full_layer_name(model.network, name) for name in extra)
    for name in extra:
        layer_maps(model, image, name)  # raises if it has none
    shifted = _shift(image.batch, right, down, mode="replicate")
    before, after = maps_by_layer(model, image.batch, *extra), maps_by_layer(model, shifted, *extra)
    if not before:
        raise UsageError(f"{model.card.name} has no layer with feature maps")
    fields = layer_fields(model, image)
    layers = [
        _compare_layer(name, maps, after[name], offset, (height, width), fields.get(name))
        for name, maps in before.items()
    ]
    return ShiftComparison(image, offset, before, after, tuple(layers))


def _shift(images: Tensor, right: int, down: int, mode: str) -> Tensor:
    """Shift (…, H, W); what enters at the borders repeats the edge (`replicate`) or is zero (`constant`)."""
    height, width = images.shape[-2:]
    padded = functional.pad(images, (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0)), mode=mode)
    top, left = max(-down, 0), max(-right, 0)
    return padded[..., top : top + height, left : left + width]


def _compare_layer(
    name: str,
    before: Tensor,
    after: Tensor,
    offset: tuple[int, int],
    size: tuple[int, int],
    field: HeightAndWidth | None,
) -> LayerShift:
    """The relative difference between the maps after the shift and the shifted maps from before."""
    rows, columns = before.shape[1:]
    right, down = offset
    if field:
        expected_shift = right / field[1].jump, down / field[0].jump
    else:
        expected_shift = right * columns / size[1], down * rows / size[0]
    layer = LayerShift(name, (before.shape[0], rows, columns), expected_shift, None, includes_border=True)
    steps = whole_steps(layer)
    expected = _shift(before, *steps, mode="constant")
    units = field and (
        _interior_units(field[0], rows, down, size[0]),
        _interior_units(field[1], columns, right, size[1]),
    )
    if units and all(len(axis) for axis in units):
        layer = dataclasses.replace(layer, includes_border=False)
    else:  # leave out at least the units that entered at the border
        units = _overlap(rows, steps[1]), _overlap(columns, steps[0])
    vertical, horizontal = (slice(axis.start, axis.stop) for axis in units)
    expected, actual = (maps[:, vertical, horizontal] for maps in (expected, after))
    norm = float(expected.norm())
    difference = float((actual - expected).norm()) / norm if norm else None
    return dataclasses.replace(layer, difference=difference)


def _interior_units(field: ReceptiveField, count: int, offset: int, size: int) -> range:
    """The units of an axis whose fields, before and after the shift, hold neither padding nor what entered at the border."""
    low, high = max(offset, 0), size + min(offset, 0)
    inside = [index for index in range(count) if field.span(index)[0] >= low and field.span(index)[1] <= high]
    return range(inside[0], inside[-1] + 1) if inside else range(0)


def _overlap(count: int, step: int) -> range:
    """The units of an axis that the original and the shifted maps have in common."""
    return range(max(step, 0), count + min(step, 0))


def figure(model: LoadedModel, comparison: ShiftComparison, name: str) -> Figure:
    """The image and the strongest map of a compared layer, before and after the shift."""
    name = full_layer_name(model.network, name)
    before, after = comparison.before[name], comparison.after[name]
    (index,) = strongest(before, 1)
    right, down = next(whole_steps(layer) for layer in comparison.layers if layer.layer == name)
    back = _shift(after, -right, -down, mode="constant")
    difference = (back - before)[index].double().numpy()
    largest = float(max(before[index].abs().max(), after[index].abs().max())) or 1.0
    is_signed = bool(min(before[index].min(), after[index].min()) < 0)
    limits = (-largest, largest) if is_signed else (0.0, largest)

    def map_panel(title: str, values: Tensor) -> Panel:
        scale = Scale.SIGNED if is_signed else Scale.STRENGTH
        return Panel(title, values.double().numpy(), scale, limits)

    return Figure(
        f"{model.card.name}, {name}: strongest map ({index + 1}) before and after shifting the image",
        (
            Panel("image", comparison.image.picture, Scale.IMAGE),
            map_panel("map", before[index]),
            map_panel("map of the shifted image, shifted back", back[index]),
            Panel("shifted image", _shifted_picture(comparison), Scale.IMAGE),
            map_panel(f"map of the shifted image, expected shift {right},{down}", after[index]),
            Panel("difference between the two maps above", difference, Scale.SIGNED, (-largest, largest)),
        ),
        3,
        legend="activation",
        note="Differences at the borders come from the part of the image that was shifted out, and from zero padding.",
    )


def whole_steps(layer: LayerShift) -> tuple[int, int]:
    """The expected shift to the right and down, rounded to whole positions of the map."""
    return round(layer.expected_shift[0]), round(layer.expected_shift[1])


def _shifted_picture(comparison: ShiftComparison) -> Values:
    """(H, W) or (H, W, 3): the shifted image."""
    right, down = comparison.offset
    values = comparison.image.picture
    planes = torch.from_numpy(values.reshape(*values.shape[:2], -1)).permute(2, 0, 1)[None]
    shifted: Values = _shift(planes, right, down, mode="replicate")[0].permute(1, 2, 0).numpy()
    return shifted.reshape(values.shape)
