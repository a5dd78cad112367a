"""An image before and after a kernel and a pooling, as a figure."""

import numpy as np

from cnncli.errors import InputError
from cnncli.images.decode import Decoding, decode
from cnncli.inspection.convolution import ConvPool
from cnncli.inspection.kernels import Numbers
from cnncli.records.pictures import Figure, Panel, Scale
from cnncli.records.predictions import ImageSource, Unreadable

_PERCENTILE = 99.5
"""Percentile of absolute values at the ends of the signed scale: a few outliers would make all other values pale."""


def image_planes(source: ImageSource, layer: ConvPool) -> dict[str, Numbers]:
    """Planes (H, W) of an image by name, 0 to 255: red, green and blue; grey for a single kernel that sums to zero.

    Raises:
        InputError: the image cannot be read.
    """
    is_grey = layer.kernel is not None and layer.kernel.sums_to_zero and not layer.adds_channels
    image = decode(source, Decoding(channels=1 if is_grey else 3))
    if isinstance(image, Unreadable):
        raise InputError(f"{source.path}: {image.reason}")
    values = np.asarray(image, np.float64)
    if is_grey:
        return {"": values}
    return dict(zip(("red", "green", "blue"), values.transpose(2, 0, 1), strict=True))


def before_and_after(name: str, planes: dict[str, Numbers], layer: ConvPool) -> Figure:
    """The image before the layer and after each of its stages.

    Args:
        name: of the image.
        planes: as `image_planes` returns them.
        layer: to apply.

    Raises:
        GeometryError: a window does not fit.
        UsageError: the kernel has parts for another number of channels.
    """
    stack = np.stack(list(planes.values()))
    is_signed = layer.kernel is not None and layer.kernel.sums_to_zero and not layer.has_relu
    panels = [Panel(f"before: {_size(stack)}", _picture(stack), Scale.IMAGE)]
    stages = layer.stages(stack)
    largest = float(np.percentile(np.abs(stages[0][1]), _PERCENTILE)) or 1.0
    keeps_brightness = layer.kernel is None or (
        layer.kernel.weights.sum() == 1 and not layer.adds_channels and not layer.bias
    )
    for description, values in stages:
        title = f"{description}: {_size(values)}"
        if is_signed:
            panels.append(Panel(title, _picture(values), Scale.SIGNED, (-largest, largest)))
            continue
        low, high = (0.0, 255.0) if keeps_brightness else (float(values.min()), float(values.max()))
        range_ = "" if keeps_brightness else f", black is {low:.4g}, white {high:.4g}"
        panels.append(Panel(title + range_, _picture(values), Scale.IMAGE, (low, high)))
    return Figure(
        name,
        tuple(panels),
        columns=len(panels),
        legend="sum of products; outliers clipped" if is_signed else None,
    )


def _size(stack: Numbers) -> str:
    """Width x height, as everywhere for pictures."""
    return f"{stack.shape[-1]} x {stack.shape[-2]}"


def _picture(stack: Numbers) -> Numbers:
    """(H, W) of one plane, (H, W, 3) of three."""
    return stack[0] if len(stack) == 1 else stack.transpose(1, 2, 0)
