"""What a shift of the image does to feature maps: they move with it, as long as nothing is pooled away."""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cnncli.errors import UsageError
from cnncli.geometry import ReceptiveField
from cnncli.inspection.fields import Fields, fields
from cnncli.inspection.maps import layer_maps, strongest, walked
from cnncli.inspection.network import Opened, Seen
from cnncli.networks.layers import layer_name
from cnncli.records.anatomy import Shift
from cnncli.records.pictures import Panel, Plate, Scale, Values


@dataclass(frozen=True, slots=True)
class Shifted:
    """An image and its shifted copy, and the maps (D, h, w) of both by layer.

    Attributes:
        image: as it was.
        by: pixels to the right and downwards.
        before, after: the maps of all layers that convolve or pool.
        shifts: what became of the maps, layer by layer.
    """

    image: Seen
    by: tuple[int, int]
    before: dict[str, Tensor]
    after: dict[str, Tensor]
    shifts: tuple[Shift, ...]


def shifted(opened: Opened, image: Seen, by: tuple[int, int], *more: str) -> Shifted:
    """Move an image, and compare what each layer makes of it with what it made before, moved as far.

    Args:
        opened: the network.
        image: the image.
        by: pixels to the right and downwards.
        more: layers that neither convolve nor pool and are to be compared, too.

    Raises:
        UsageError: there is no such layer, or it gives no maps; so far that nothing of the image is left, or the network has no layer that gives maps.
    """
    right, down = by
    height, width = image.images.shape[2:]
    if not (right or down):
        raise UsageError("--shift 0,0 moves nothing", "write pixels to the right and downwards, as 8,0")
    if 2 * abs(right) >= width or 2 * abs(down) >= height:
        raise UsageError(
            f"--shift {right},{down} moves more than half of an image of {height} x {width} away"
        )
    more = tuple(layer_name(opened.network, name) for name in more)
    for name in more:
        layer_maps(opened, image, name)  # says what is wrong, if it has none
    moved = _moved(image.images, right, down, mode="replicate")
    before, after = walked(opened, image.images, *more), walked(opened, moved, *more)
    if not before:
        raise UsageError(f"{opened.card.name} has no layer that gives maps")
    seen = fields(opened, image)
    shifts = [
        _compared(name, maps, after[name], by, (height, width), seen.get(name))
        for name, maps in before.items()
    ]
    return Shifted(image, by, before, after, tuple(shifts))


def _moved(images: Tensor, right: int, down: int, mode: str) -> Tensor:
    """The same images, moved; what comes in at the borders is their edge (`replicate`) or nothing (`constant`)."""
    height, width = images.shape[-2:]
    padded = functional.pad(images, (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0)), mode=mode)
    top, left = max(-down, 0), max(-right, 0)
    return padded[..., top : top + height, left : left + width]


def _compared(
    name: str, before: Tensor, after: Tensor, by: tuple[int, int], size: tuple[int, int], seen: Fields | None
) -> Shift:
    """How far a layer's maps should have moved, and what is left when that is undone."""
    rows, columns = before.shape[1:]
    right, down = by
    if seen:
        moves = right / seen[1].jump, down / seen[0].jump
    else:
        moves = right * columns / size[1], down * rows / size[0]
    shift = Shift(name, (before.shape[0], rows, columns), moves, None, sees_border=True)
    steps = round_by(shift)
    expected = _moved(before, *steps, mode="constant")
    clean = seen and (_clean(seen[0], rows, down, size[0]), _clean(seen[1], columns, right, size[1]))
    if clean and all(len(places) for places in clean):
        shift = dataclasses.replace(shift, sees_border=False)
    else:  # at least without what came in
        clean = _kept(rows, steps[1]), _kept(columns, steps[0])
    vertical, horizontal = (slice(places.start, places.stop) for places in clean)
    expected, found = (maps[:, vertical, horizontal] for maps in (expected, after))
    length = float(expected.norm())
    change = float((found - expected).norm()) / length if length else None
    return dataclasses.replace(shift, change=change)


def _clean(field: ReceptiveField, count: int, by: int, size: int) -> range:
    """The units that see neither padding nor what came in at the border, before and after."""
    low, high = max(by, 0), size + min(by, 0)
    inside = [place for place in range(count) if field.of(place)[0] >= low and field.of(place)[1] <= high]
    return range(inside[0], inside[-1] + 1) if inside else range(0)


def _kept(count: int, step: int) -> range:
    """The units whose values did not come in at the border."""
    return range(max(step, 0), count + min(step, 0))


def plate(opened: Opened, found: Shifted, name: str) -> Plate:
    """Image and strongest map of a layer that was compared, before and after."""
    name = layer_name(opened.network, name)
    before, after = found.before[name], found.after[name]
    (number,) = strongest(before, 1)
    right, down = next(round_by(shift) for shift in found.shifts if shift.layer == name)
    back = _moved(after, -right, -down, mode="constant")
    difference = (back - before)[number].double().numpy()
    largest = float(max(before[number].abs().max(), after[number].abs().max())) or 1.0
    is_signed = bool(min(before[number].min(), after[number].min()) < 0)
    ends = (-largest, largest) if is_signed else (0.0, largest)

    def on_one_scale(title: str, values: Tensor) -> Panel:
        scale = Scale.SIGNED if is_signed else Scale.STRENGTH
        return Panel(title, values.double().numpy(), scale, ends)

    return Plate(
        f"{opened.card.name}, {name}: its strongest map, number {number + 1}, when the image moves",
        (
            Panel("the image", found.image.picture, Scale.IMAGE),
            on_one_scale("its map", before[number]),
            on_one_scale("map of the moved image, moved back", back[number]),
            Panel("the image, moved", _picture(found), Scale.IMAGE),
            on_one_scale(f"its map, which should have moved by {right},{down}", after[number]),
            Panel("what differs of the two maps above", difference, Scale.SIGNED, (-largest, largest)),
        ),
        3,
        legend="activation",
        note="What differs at the borders comes from what the image lost there, and from zeros that pad it.",
    )


def round_by(shift: Shift) -> tuple[int, int]:
    """Whole steps of a map to the right and downwards."""
    return round(shift.by[0]), round(shift.by[1])


def _picture(found: Shifted) -> Values:
    """(H, W) or (H, W, 3) of the moved image."""
    right, down = found.by
    values = found.image.picture
    planes = torch.from_numpy(values.reshape(*values.shape[:2], -1)).permute(2, 0, 1)[None]
    moved: Values = _moved(planes, right, down, mode="replicate")[0].permute(1, 2, 0).numpy()
    return moved.reshape(values.shape)
