"""A photograph before and after a kernel and a pooling, as a plate."""

import numpy as np

from cnncli.errors import InputError
from cnncli.images.decode import Decoding, decode
from cnncli.inspection.convolution import Layer
from cnncli.inspection.kernels import Numbers
from cnncli.records.pictures import Panel, Plate, Scale
from cnncli.records.predictions import ImageSource, Unreadable

_ALMOST_ALL = 99.5
"""Percent of the values that the scale of differences spans; a few extreme ones would make all others pale."""


def planes(source: ImageSource, layer: Layer) -> dict[str, Numbers]:
    """The planes (H, W) of a photograph by name, 0 to 255: grey where the kernel finds differences, else its colours.

    Raises:
        InputError: it cannot be read.
    """
    is_grey = layer.kernel is not None and layer.kernel.is_difference
    image = decode(source, Decoding(channels=1 if is_grey else 3))
    if isinstance(image, Unreadable):
        raise InputError(f"{source.path}: {image.reason}")
    values = np.asarray(image, np.float64)
    return (
        {"": values}
        if is_grey
        else dict(zip(("red", "green", "blue"), values.transpose(2, 0, 1), strict=True))
    )


def plate(name: str, before: dict[str, Numbers], layer: Layer) -> Plate:
    """Before, and after each stage.

    Args:
        name: of the photograph.
        before: its planes.
        layer: what is done to it.

    Raises:
        GeometryError: a window does not fit.
    """
    stack = np.stack(list(before.values()))
    is_signed = layer.kernel is not None and layer.kernel.is_difference
    panels = [Panel(f"before: {_size(stack)}", _picture(stack), Scale.IMAGE)]
    stages = layer.stages(stack)
    largest = float(np.percentile(np.abs(stages[0][1]), _ALMOST_ALL)) or 1.0
    keeps_brightness = layer.kernel is None or layer.kernel.weights.sum() == 1
    for told, values in stages:
        title = f"{told}: {_size(values)}"
        if is_signed:
            panels.append(Panel(title, _picture(values), Scale.SIGNED, (-largest, largest)))
            continue
        low, high = (0.0, 255.0) if keeps_brightness else (float(values.min()), float(values.max()))
        range_ = "" if keeps_brightness else f", black is {low:.4g}, white {high:.4g}"
        panels.append(Panel(title + range_, _picture(values), Scale.IMAGE, (low, high)))
    return Plate(
        name,
        tuple(panels),
        columns=len(panels),
        legend="sum of products; the few values beyond look like the ends" if is_signed else None,
    )


def _size(stack: Numbers) -> str:
    return f"{stack.shape[-2]} x {stack.shape[-1]}"


def _picture(stack: Numbers) -> Numbers:
    """(H, W) of one plane, (H, W, 3) of three."""
    return stack[0] if len(stack) == 1 else stack.transpose(1, 2, 0)
