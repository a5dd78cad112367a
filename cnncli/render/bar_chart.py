"""A bar chart in a figure: labels on the left, bars from a common zero, values on the right."""

import math

from PIL import ImageDraw

from cnncli.records.pictures import BarChart, Scale
from cnncli.render import fonts

_FONT_SIZE = 12
_LINE = 17
"""Height of a bar with the gap below it, in pixels."""
_THICKNESS = 13
_GAP = 6
_INK, _AXIS = "#1b1b1b", "#9aa0a6"
_COLOURS = {
    Scale.SIGNED: ("#e08214", "#8073ac"),
    Scale.STRENGTH: ("#2c728e", "#2c728e"),
    Scale.GREY: ("#b0b0b0", "#5f5f5f"),
}
"""Colours of negative and of positive values: those of the palettes of pictures."""


def bars_height(chart: BarChart) -> int:
    """Height of a chart in pixels."""
    return _LINE * max(len(chart.labels), 1)


def draw_bars(draw: ImageDraw.ImageDraw, chart: BarChart, position: tuple[int, int], width: int) -> None:
    """Draw a chart.

    Args:
        draw: of the canvas.
        chart: labels and values.
        position: (left, top) in pixels.
        width: of the whole chart in pixels.
    """
    font = fonts.font(_FONT_SIZE)
    left, top = position
    texts = [f"{value:#.3g}".rstrip(".") for value in chart.values]
    label_width = math.ceil(max(map(font.getlength, chart.labels), default=0)) + _GAP
    text_width = math.ceil(max(map(font.getlength, texts), default=0)) + _GAP
    room = max(width - label_width - text_width, 1)
    low, high = min(chart.values.min(), 0.0), max(chart.values.max(), 0.0)
    scale = (room - 1) / ((high - low) or 1.0)
    zero = left + label_width + round(-low * scale)
    negative, positive = _COLOURS[chart.scale]
    for number, (label, value, text) in enumerate(zip(chart.labels, chart.values, texts, strict=True)):
        y = top + number * _LINE
        draw.text((left, y), label, _INK, font)
        end = zero + round(value * scale)
        draw.rectangle(
            (min(zero, end), y + 1, max(zero, end), y + _THICKNESS), fill=negative if value < 0 else positive
        )
        draw.text((left + width - font.getlength(text), y), text, _INK, font)
    draw.line((zero, top, zero, top + bars_height(chart) - 1), fill=_AXIS)
