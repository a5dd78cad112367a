"""The vocabulary of pictures that show numbers: panels of values, each with a scale, on one plate."""

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""(H, W) or, for colours, (H, W, 3)."""


class Scale(enum.StrEnum):
    """How values become colours."""

    IMAGE = "image"
    """0 to 255, as they are: grey or RGB."""

    SIGNED = "signed"
    """One colour below zero, another above, white between."""

    STRENGTH = "strength"
    """From the smallest value, dark, to the largest, bright."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a panel, in its pixels; it may reach beyond.

    Attributes:
        left, top, width, height: of the rectangle.
        label: what it is.
    """

    left: float
    top: float
    width: float
    height: float
    label: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of a plate.

    Attributes:
        title: what it shows.
        values: (H, W) or (H, W, 3).
        scale: how they become colours.
        limits: the values at the two ends of the scale; None takes the panel's own.
        boxes: drawn on it.
        under: a picture (H, W) or (H, W, 3), 0 to 255, that shines through.
    """

    title: str
    values: Values
    scale: Scale
    limits: tuple[float, float] | None = None
    boxes: tuple[Box, ...] = ()
    under: Values | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """The values at the two ends of its scale."""
        if self.limits:
            return self.limits
        if self.scale is Scale.IMAGE:
            return 0.0, 255.0
        low, high = float(self.values.min()), float(self.values.max())
        if self.scale is Scale.SIGNED:
            largest = max(-low, high)
            return -largest, largest
        return low, high


@dataclass(frozen=True, slots=True)
class Plate:
    """Panels with a title.

    Attributes:
        title: of all of it.
        panels: row by row.
        columns: panels of a row.
        legend: what the colours of its signed or strength panels mean; None for no legend.
        note: a line below, of what to look for.
    """

    title: str
    panels: tuple[Panel, ...]
    columns: int
    legend: str | None = None
    note: str = ""
