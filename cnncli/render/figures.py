"""Figures as PNG images, drawn with Pillow: a title, pictures with boxes and bar charts, legends, a note."""

import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cnncli.dataclass import frozen_dataclass
from cnncli.records.pictures import TRANSPARENT_BELOW, BarChart, Box, Figure, Panel, Scale
from cnncli.render import fonts
from cnncli.render.bar_chart import bars_height, draw_bars

WIDTH = 1000
"""Width of every figure, in pixels."""

_MARGIN, _GAP = 18, 10
_MAX_PANEL_HEIGHT = 560
_TITLE, _TEXT, _SMALL = 20, 14, 12
"""Font sizes, in pixels."""
_NARROW = 110
"""Panels narrower than this, in pixels, have small titles."""
_LINE_HEIGHT = 1.45
"""In font sizes."""
_INK, _FAINT, _PAPER = "#1b1b1b", "#5f6368", "#ffffff"
_BOXES = ("#ffd400", "#00c8ff", "#ff5bbd")
_LEGEND = (320, 14)
"""Width and height of a colour bar, in pixels."""

_SIGNED = ("#b35806", "#e08214", "#fdb863", "#fee0b6", "#f7f7f7", "#d8daeb", "#b2abd2", "#8073ac", "#542788")
"""ColorBrewer's PuOr (C. Brewer), which is colour-blind safe: orange below zero, violet above."""
_STRENGTH = (
    "#440154",
    "#472d7b",
    "#3b528b",
    "#2c728e",
    "#21918c",
    "#28ae80",
    "#5ec962",
    "#addc30",
    "#fde725",
)
"""viridis (S. van der Walt, N. Smith), sampled at nine points."""
_ANCHORS = {Scale.SIGNED: _SIGNED, Scale.STRENGTH: _STRENGTH, Scale.GREY: ("#000000", "#ffffff")}

RgbPixels = NDArray[np.uint8]
"""(H, W, 3)."""


def figure_png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG."""
    picture = io.BytesIO()
    draw_figure(figure).save(picture, "PNG")
    return picture.getvalue()


def panel_png(panel: Panel) -> bytes:
    """A panel alone, pixel for pixel, as the bytes of a PNG."""
    picture = io.BytesIO()
    Image.fromarray(_blend(panel)).save(picture, "PNG")
    return picture.getvalue()


def draw_figure(figure: Figure) -> Image.Image:
    """The figure as an image, `WIDTH` pixels wide and as high as its panels need."""
    columns = max(min(figure.columns, len(figure.panels)), 1)
    width = (WIDTH - 2 * _MARGIN - (columns - 1) * _GAP) // columns
    rows = [
        _Row.of(figure.panels[start : start + columns], width)
        for start in range(0, len(figure.panels), columns)
    ]
    head = _Text.wrap(figure.title, _TITLE, WIDTH - 2 * _MARGIN)
    note = _Text.wrap(figure.note, _TEXT, WIDTH - 2 * _MARGIN)
    legend = _legend_height(figure)
    height = 2 * _MARGIN + head.height + _GAP + sum(row.height + _GAP for row in rows) + legend + note.height
    canvas = Image.new("RGB", (WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    top = head.draw(draw, (_MARGIN, _MARGIN), _INK) + _GAP
    for row in rows:
        row.draw(canvas, draw, top, width)
        top += row.height + _GAP
    if legend:
        _draw_legend(canvas, draw, figure, top)
    note.draw(draw, (_MARGIN, top + legend), _FAINT)
    return canvas


# ---- values to colours


def colours(panel: Panel) -> RgbPixels:
    """(H, W, 3): the values of a panel, mapped to colours."""
    low, high = panel.value_range
    values = panel.values
    if panel.scale is Scale.IMAGE:
        pixels = np.clip((values - low) * (255 / max(high - low, 1e-12)), 0, 255).round().astype(np.uint8)
        return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)  # noqa: PLR2004 - (H, W, 3)
    anchors = _ANCHORS[panel.scale]
    middle = 0.5 if panel.scale is Scale.SIGNED else 0.0
    if high <= low:
        levels = np.full(values.shape, 255 * middle)
    else:
        levels = values - low
        levels /= high - low  # in place: pictures may be large
        np.clip(levels, 0, 1, out=levels)
        levels *= 255
    mapped: RgbPixels = _palette(anchors)[np.rint(levels, out=levels).astype(np.uint8)]
    return mapped


_OPAQUE_FROM, _OPACITY = 0.5, 0.6
"""Share of the scale from which an overlay has its full opacity, and that opacity."""


def _blend(panel: Panel) -> RgbPixels:
    """(H, W, 3): the colours of a panel; over an image, in that image's size and more opaque where values are higher."""
    if panel.under is None:
        return colours(panel)
    below = colours(Panel("", panel.under, Scale.IMAGE))
    height, width = below.shape[:2]
    enlarged = Image.fromarray(panel.values.astype(np.float32)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    values = np.asarray(enlarged, np.float64)
    low, high = panel.value_range
    shares = (values - low) / max(high - low, 1e-12)
    ramp = np.clip((shares - TRANSPARENT_BELOW) / (_OPAQUE_FROM - TRANSPARENT_BELOW), 0, 1)
    opacity = _OPACITY * ramp[..., None]
    above = colours(Panel("", values, panel.scale, panel.value_range))
    return (opacity * above + (1 - opacity) * below).round().astype(np.uint8)


def _palette(anchors: Sequence[str]) -> RgbPixels:
    """(256, 3): colours interpolated linearly between anchors such as `#440154`."""
    points = np.array([[int(anchor[start : start + 2], 16) for start in (1, 3, 5)] for anchor in anchors])
    positions, samples = np.linspace(0, 1, len(anchors)), np.linspace(0, 1, 256)
    channels = [np.interp(samples, positions, channel) for channel in points.T]
    return np.stack(channels, axis=1).round().astype(np.uint8)


# ---- text

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@frozen_dataclass
class _Text:
    """Lines of text in one font size."""

    lines: tuple[str, ...]
    font: _Font
    line_height: int

    @property
    def height(self) -> int:
        """In pixels."""
        return self.line_height * len(self.lines)

    @classmethod
    def wrap(cls, text: str, size: int, width: int) -> "_Text":
        """Break text into lines of at most `width` pixels."""
        font = fonts.font(size)
        lines: list[str] = []
        for paragraph in text.splitlines():
            line = ""
            for word in paragraph.split():
                for number, piece in enumerate(_break_word(word, font, width)):
                    longer = f"{line} {piece}".strip()
                    if line and (number or font.getlength(longer) > width):
                        lines.append(line)
                        longer = piece
                    line = longer
            lines.append(line)
        return cls(tuple(lines), font, math.ceil(size * _LINE_HEIGHT))

    def draw(self, draw: ImageDraw.ImageDraw, position: tuple[int, int], colour: str) -> int:
        """Draw the text at (left, top); returns the y coordinate below it."""
        left, top = position
        for line in self.lines:
            draw.text((left, top), line, colour, self.font)
            top += self.line_height
        return top


_MAX_PIECES = 3


def _break_word(word: str, font: _Font, width: int) -> list[str]:
    """Break a word into up to three pieces of at most `width` pixels, after dots, dashes or underscores if possible."""
    pieces: list[str] = []
    while font.getlength(word) > width and len(word) > 1:
        fitting = max(sum(font.getlength(word[: end + 1]) <= width for end in range(len(word))), 1)
        if len(pieces) == _MAX_PIECES - 1:
            return [*pieces, _truncate(word[:fitting], font, width)]
        after_mark = max(word.rfind(mark, 0, fitting) for mark in "._-") + 1
        end = after_mark or fitting
        pieces.append(word[:end])
        word = word[end:]
    return [*pieces, word]


def _truncate(word: str, font: _Font, width: int) -> str:
    """The beginning of a word with an ellipsis, at most `width` pixels wide."""
    while word and font.getlength(f"{word}…") > width:
        word = word[:-1]
    return f"{word}…"


# ---- panels


@frozen_dataclass
class _Row:
    """Panels of equal width, side by side."""

    panels: tuple[Panel | BarChart, ...]
    titles: tuple[_Text, ...]
    sizes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, panels: Sequence[Panel | BarChart], width: int) -> "_Row":
        """Lay out panels that are `width` pixels wide."""
        size = _SMALL if width < _NARROW else _TEXT
        titles = tuple(_Text.wrap(panel.title, size, width) for panel in panels)
        return cls(tuple(panels), titles, tuple(_panel_size(panel, width) for panel in panels))

    @property
    def height(self) -> int:
        """In pixels, with the titles."""
        return self._title_height + max(height for _, height in self.sizes)

    @property
    def _title_height(self) -> int:
        return max(title.height for title in self.titles)

    def draw(self, canvas: Image.Image, draw: ImageDraw.ImageDraw, top: int, width: int) -> None:
        """Draw the panels onto the canvas, from the y coordinate `top`."""
        for column, (panel, title, size) in enumerate(zip(self.panels, self.titles, self.sizes, strict=True)):
            left = _MARGIN + column * (width + _GAP)
            title.draw(draw, (left, top), _INK)
            position = (left, top + self._title_height)
            if isinstance(panel, BarChart):
                draw_bars(draw, panel, position, width)
            else:
                _draw_panel(canvas, panel, position, size)


def _panel_size(panel: Panel | BarChart, width: int) -> tuple[int, int]:
    """(width, height) in pixels, at most `width` wide."""
    if isinstance(panel, BarChart):
        return width, bars_height(panel)
    rows, columns = (panel.values if panel.under is None else panel.under).shape[:2]
    scale = min(width / columns, _MAX_PANEL_HEIGHT / rows)
    return max(round(columns * scale), 1), max(round(rows * scale), 1)


def _draw_panel(canvas: Image.Image, panel: Panel, position: tuple[int, int], size: tuple[int, int]) -> None:
    pixels = Image.fromarray(_blend(panel))
    is_smaller = size[0] < pixels.width or size[1] < pixels.height
    # Enlarged values stay squares that can be counted; photos stay smooth.
    is_photo = panel.under is not None
    enlarging = Image.Resampling.BICUBIC if is_photo else Image.Resampling.NEAREST
    picture = pixels.resize(size, Image.Resampling.BOX if is_smaller else enlarging)
    scale = size[0] / pixels.width
    for number, box in enumerate(panel.boxes):
        _draw_box(picture, box, scale, _BOXES[number % len(_BOXES)])
    canvas.paste(picture, position)


def _draw_box(picture: Image.Image, box: Box, scale: float, colour: str) -> None:
    """Draw a coloured outline within a black one, so that it is visible on any background, and its label."""
    draw = ImageDraw.Draw(picture)
    left, top = round(box.left * scale), round(box.top * scale)
    right = round((box.left + box.width) * scale) - 1
    bottom = round((box.top + box.height) * scale) - 1
    right, bottom = max(right, left), max(bottom, top)
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline="#000000")
    draw.rectangle((left, top, right, bottom), outline=colour, width=1 if right - left < _SMALL else 2)
    font = fonts.font(_SMALL)
    length, height = math.ceil(font.getlength(box.label)), math.ceil(_SMALL * _LINE_HEIGHT)
    x = min(max(left, 0), max(picture.width - length - 6, 0))
    y = top - height - 2 if top > height + 2 else min(bottom + 3, picture.height - height)
    draw.rectangle((x, y, x + length + 5, y + height - 1), fill="#000000")
    draw.text((x + 3, y + 1), box.label, colour, font)


# ---- the legend


def _legend_panels(figure: Figure) -> list[Panel]:
    """The first panel of each scale that the legend explains."""
    if not figure.legend:
        return []
    return [panels[0] for scale in _ANCHORS if (panels := _panels_in(figure, scale))]


def _panels_in(figure: Figure, scale: Scale) -> list[Panel]:
    return [panel for panel in figure.panels if isinstance(panel, Panel) and panel.scale is scale]


def _legend_height(figure: Figure) -> int:
    return len(_legend_panels(figure)) * (_LEGEND[1] + 2 * _MARGIN)


def _draw_legend(canvas: Image.Image, draw: ImageDraw.ImageDraw, figure: Figure, top: int) -> None:
    """Draw a colour bar with its limits and the legend for each scale; without limits where panels differ in them."""
    font = fonts.font(_TEXT)
    for panel in _legend_panels(figure):
        same_scale = _panels_in(figure, panel.scale)
        limits = {other.value_range for other in same_scale}
        width, height = _LEGEND
        ramp = np.linspace(0, 1, width)[None]
        bar = Image.fromarray(
            colours(Panel("", ramp * 2 - 1 if panel.scale is Scale.SIGNED else ramp, panel.scale))
        )
        canvas.paste(bar.resize((width, height), Image.Resampling.NEAREST), (_MARGIN, top))
        low, high = (f"{end:.3g}" for end in panel.value_range)
        legend = figure.legend or ""
        if len(limits) > 1:
            legend += ", scaled per panel" if any(other.limits is None for other in same_scale) else ""
            low, high = ("-max", "+max") if panel.scale is Scale.SIGNED else ("min", "max")
        below = top + height + 2
        draw.text((_MARGIN, below), low, _FAINT, font)
        if panel.scale is Scale.SIGNED:
            draw.text((_MARGIN + (width - font.getlength("0")) / 2, below), "0", _FAINT, font)
        draw.text((_MARGIN + width - font.getlength(high), below), high, _FAINT, font)
        draw.text((_MARGIN + width + _GAP, top - 2), legend, _INK, font)
        top += height + 2 * _MARGIN
