"""Figures that show numbers: panels of values, each with a colour scale."""

import enum
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass

Values = NDArray[np.float64]
"""(H, W) or, for colours, (H, W, 3)."""


TRANSPARENT_BELOW = 0.2
"""Share of the scale below which a panel over an image is transparent, so that only high values cover the image."""


class Scale(enum.StrEnum):
    """How values are mapped to colours."""

    IMAGE = "image"
    """Grey or RGB, 0 to 255."""

    SIGNED = "signed"
    """A diverging palette: one hue below zero, another above, near white at zero."""

    STRENGTH = "strength"
    """A sequential palette: dark for the smallest value, bright for the largest."""

    GREY = "grey"
    """Black for the smallest value, white for the largest."""


@frozen_dataclass
class Box:
    """A labelled rectangle on a panel; it may extend beyond the panel.

    Attributes:
        left, top, width, height: position and size in pixels of the panel.
        label: its text.
    """

    left: float
    top: float
    width: float
    height: float
    label: str


@frozen_dataclass
class Panel:
    """One picture of a figure.

    Attributes:
        title: text above it.
        values: (H, W) or (H, W, 3).
        scale: how they are mapped to colours.
        limits: the values at the two ends of the scale; None for the panel's own range.
        boxes: rectangles drawn on it.
        under: an image (H', W') or (H', W', 3), 0 to 255, of the same region, that the panel is laid over: low values are
            transparent.
    """

    title: str
    values: Values
    scale: Scale
    limits: tuple[float, float] | None = None
    boxes: tuple[Box, ...] = ()
    under: Values | None = None

    @property
    def value_range(self) -> tuple[float, float]:
        """The values at the two ends of the scale."""
        if self.limits:
            return self.limits
        if self.scale is Scale.IMAGE:
            return 0.0, 255.0
        low, high = float(self.values.min()), float(self.values.max())
        if self.scale is Scale.SIGNED:
            largest = max(-low, high)
            return -largest, largest
        return low, high


@frozen_dataclass
class BarChart:
    """Numbers as horizontal bars, one below the other.

    Attributes:
        title: text above it.
        values: (K,).
        labels: one for each value.
        scale: colours of the bars: `SIGNED` has one for negative and another for positive values.
    """

    title: str
    values: Values
    labels: tuple[str, ...]
    scale: Scale = Scale.SIGNED


@frozen_dataclass
class Figure:
    """Panels in a grid, with a title and a legend.

    Attributes:
        title: text above the panels.
        panels: pictures and bar charts, row by row.
        columns: panels per row.
        legend: what the colours of signed and strength panels mean; None for no legend.
        note: a remark below the panels.
    """

    title: str
    panels: tuple[Panel | BarChart, ...]
    columns: int
    legend: str | None = None
    note: str = ""

    def in_grey(self) -> "Figure":
        """The figure with all values in shades of grey, as textbooks print them; images keep their colours."""
        panels = (
            panel if panel.scale is Scale.IMAGE else replace(panel, scale=Scale.GREY) for panel in self.panels
        )
        return replace(self, panels=tuple(panels))
