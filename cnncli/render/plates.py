"""A plate of panels as a PNG, a thousand pixels wide: titles, scales with a legend, boxes."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cnncli.records.pictures import Box, Panel, Plate, Scale
from cnncli.render import fonts

WIDTH = 1000
"""Of every plate, in pixels."""

_MARGIN, _GAP = 18, 10
_TALLEST = 560
"""Pixels of a panel's height."""
_TITLE, _TEXT, _SMALL = 20, 14, 12
"""Sizes of letters, in pixels."""
_NARROW = 110
"""Width of a panel below which its title is small."""
_LINE = 1.45
_INK, _FAINT, _PAPER = "#1b1b1b", "#5f6368", "#ffffff"
_BOXES = ("#ffd400", "#00c8ff", "#ff5bbd")
_LEGEND = (320, 14)
"""Width and height of the bar that explains colours, in pixels."""

_SIGNED = ("#b35806", "#e08214", "#fdb863", "#fee0b6", "#f7f7f7", "#d8daeb", "#b2abd2", "#8073ac", "#542788")
"""PuOr of ColorBrewer (C. Brewer), which colour-blind people can read: orange below zero, violet above."""
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
"""viridis (S. van der Walt, N. Smith), at nine places."""

Pixels = NDArray[np.uint8]
"""(H, W, 3)."""


def plate_png(plate: Plate) -> bytes:
    """The plate as the bytes of a PNG."""
    picture = io.BytesIO()
    draw_plate(plate).save(picture, "PNG")
    return picture.getvalue()


def draw_plate(plate: Plate) -> Image.Image:
    """The plate, `WIDTH` pixels wide and as high as it takes."""
    columns = max(min(plate.columns, len(plate.panels)), 1)
    width = (WIDTH - 2 * _MARGIN - (columns - 1) * _GAP) // columns
    rows = [
        _Row.of(plate.panels[start : start + columns], width)
        for start in range(0, len(plate.panels), columns)
    ]
    head = _Text.wrapped(plate.title, _TITLE, WIDTH - 2 * _MARGIN)
    note = _Text.wrapped(plate.note, _TEXT, WIDTH - 2 * _MARGIN)
    legend = _legend_height(plate)
    height = 2 * _MARGIN + head.height + _GAP + sum(row.height + _GAP for row in rows) + legend + note.height
    canvas = Image.new("RGB", (WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    top = head.draw(draw, (_MARGIN, _MARGIN), _INK) + _GAP
    for row in rows:
        row.draw(canvas, draw, top, width)
        top += row.height + _GAP
    if legend:
        _draw_legend(canvas, draw, plate, top)
    note.draw(draw, (_MARGIN, top + legend), _FAINT)
    return canvas


# ---- values to colours


def colours(panel: Panel) -> Pixels:
    """(H, W, 3) of a panel's values."""
    low, high = panel.ends
    values = panel.values
    if panel.scale is Scale.IMAGE:
        shown = np.clip((values - low) * (255 / max(high - low, 1e-12)), 0, 255).round().astype(np.uint8)
        return shown if shown.ndim == 3 else np.repeat(shown[:, :, None], 3, axis=2)  # noqa: PLR2004 - (H, W, 3)
    anchors = _SIGNED if panel.scale is Scale.SIGNED else _STRENGTH
    middle = 0.5 if panel.scale is Scale.SIGNED else 0.0
    shares = np.full(values.shape, middle) if high <= low else np.clip((values - low) / (high - low), 0, 1)
    coloured: Pixels = _palette(anchors)[(shares * 255).round().astype(int)]
    return coloured


_SHINES_THROUGH = 0.5


def _laid_over(panel: Panel) -> Pixels:
    """The colours of a panel, with what lies under it."""
    above = colours(panel)
    if panel.under is None:
        return above
    below = colours(Panel("", panel.under, Scale.IMAGE))
    return (_SHINES_THROUGH * below + (1 - _SHINES_THROUGH) * above).round().astype(np.uint8)


def _palette(anchors: Sequence[str]) -> Pixels:
    """(256, 3), straight from one anchor to the next."""
    points = np.array([[int(anchor[place : place + 2], 16) for place in (1, 3, 5)] for anchor in anchors])
    places, at = np.linspace(0, 1, len(anchors)), np.linspace(0, 1, 256)
    return np.stack([np.interp(at, places, plane) for plane in points.T], axis=1).round().astype(np.uint8)


# ---- text

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class _Text:
    """Lines of one size."""

    lines: tuple[str, ...]
    font: _Font
    line: int

    @property
    def height(self) -> int:
        """Pixels that it takes."""
        return self.line * len(self.lines)

    @classmethod
    def wrapped(cls, text: str, size: int, width: int) -> "_Text":
        """Text in lines of at most so many pixels."""
        font = fonts.font(size)
        lines: list[str] = []
        for paragraph in text.splitlines():
            line = ""
            for word in paragraph.split():
                for number, piece in enumerate(_broken(word, font, width)):
                    longer = f"{line} {piece}".strip()
                    if line and (number or font.getlength(longer) > width):
                        lines.append(line)
                        longer = piece
                    line = longer
            lines.append(line)
        return cls(tuple(lines), font, math.ceil(size * _LINE))

    def draw(self, draw: ImageDraw.ImageDraw, place: tuple[int, int], colour: str) -> int:
        """Write it; where it ends."""
        left, top = place
        for line in self.lines:
            draw.text((left, top), line, colour, self.font)
            top += self.line
        return top


_PIECES = 3


def _broken(word: str, font: _Font, width: int) -> list[str]:
    """A word in up to three pieces of at most so many pixels, which end with a dot, a dash or an underscore if there is one."""
    pieces: list[str] = []
    while font.getlength(word) > width and len(word) > 1:
        fitting = max(sum(font.getlength(word[: end + 1]) <= width for end in range(len(word))), 1)
        if len(pieces) == _PIECES - 1:
            return [*pieces, _cut(word[:fitting], font, width)]
        joint = max(word.rfind(mark, 0, fitting) for mark in "._-") + 1
        end = joint or fitting
        pieces.append(word[:end])
        word = word[end:]
    return [*pieces, word]


def _cut(word: str, font: _Font, width: int) -> str:
    """The beginning of a word and an ellipsis, in at most so many pixels."""
    while word and font.getlength(f"{word}…") > width:
        word = word[:-1]
    return f"{word}…"


# ---- panels


@dataclass(frozen=True, slots=True)
class _Row:
    """Panels beside each other, all of one width."""

    panels: tuple[Panel, ...]
    titles: tuple[_Text, ...]
    sizes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, panels: Sequence[Panel], width: int) -> "_Row":
        """Laid out."""
        size = _SMALL if width < _NARROW else _TEXT
        titles = tuple(_Text.wrapped(panel.title, size, width) for panel in panels)
        return cls(tuple(panels), titles, tuple(_fitted(panel, width) for panel in panels))

    @property
    def height(self) -> int:
        """Pixels that it takes."""
        return self._head + max(height for _, height in self.sizes)

    @property
    def _head(self) -> int:
        return max(title.height for title in self.titles)

    def draw(self, canvas: Image.Image, draw: ImageDraw.ImageDraw, top: int, width: int) -> None:
        """Onto the canvas."""
        for place, (panel, title, size) in enumerate(zip(self.panels, self.titles, self.sizes, strict=True)):
            left = _MARGIN + place * (width + _GAP)
            title.draw(draw, (left, top), _INK)
            _draw_panel(canvas, panel, (left, top + self._head), size)


def _fitted(panel: Panel, width: int) -> tuple[int, int]:
    """(width, height) in pixels of a panel that is drawn."""
    rows, columns = panel.values.shape[:2]
    scale = min(width / columns, _TALLEST / rows)
    return max(round(columns * scale), 1), max(round(rows * scale), 1)


def _draw_panel(canvas: Image.Image, panel: Panel, place: tuple[int, int], size: tuple[int, int]) -> None:
    picture = Image.fromarray(_laid_over(panel))
    is_smaller = size[0] < picture.width or size[1] < picture.height
    # Enlarged values stay squares that can be counted; a photograph that is made smaller stays smooth.
    shown = picture.resize(size, Image.Resampling.BOX if is_smaller else Image.Resampling.NEAREST)
    scale = size[0] / picture.width
    for number, box in enumerate(panel.boxes):
        _draw_box(shown, box, scale, _BOXES[number % len(_BOXES)])
    canvas.paste(shown, place)


def _draw_box(shown: Image.Image, box: Box, scale: float, colour: str) -> None:
    """Two lines, one of which is seen on whatever lies below, and what it is."""
    draw = ImageDraw.Draw(shown)
    left, top = round(box.left * scale), round(box.top * scale)
    right = round((box.left + box.width) * scale) - 1
    bottom = round((box.top + box.height) * scale) - 1
    right, bottom = max(right, left), max(bottom, top)
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline="#000000")
    draw.rectangle((left, top, right, bottom), outline=colour, width=1 if right - left < _SMALL else 2)
    font = fonts.font(_SMALL)
    length, line = math.ceil(font.getlength(box.label)), math.ceil(_SMALL * _LINE)
    at = (
        min(max(left, 0), max(shown.width - length - 6, 0)),
        top - line - 2 if top > line + 2 else min(bottom + 3, shown.height - line),
    )
    draw.rectangle((at[0], at[1], at[0] + length + 5, at[1] + line - 1), fill="#000000")
    draw.text((at[0] + 3, at[1] + 1), box.label, colour, font)


# ---- the legend


def _explained(plate: Plate) -> list[Panel]:
    """One panel for each kind of scale that needs an explanation, where all of that kind share its limits."""
    found: list[Panel] = []
    if not plate.legend:
        return found
    for scale in (Scale.SIGNED, Scale.STRENGTH):
        found += [panel for panel in plate.panels if panel.scale is scale][:1]
    return found


def _legend_height(plate: Plate) -> int:
    return len(_explained(plate)) * (_LEGEND[1] + 2 * _MARGIN)


def _draw_legend(canvas: Image.Image, draw: ImageDraw.ImageDraw, plate: Plate, top: int) -> None:
    font = fonts.font(_TEXT)
    for panel in _explained(plate):
        alike = [other for other in plate.panels if other.scale is panel.scale]
        limits = {other.ends for other in alike}
        width, height = _LEGEND
        ramp = np.linspace(0, 1, width)[None]
        bar = Image.fromarray(
            colours(Panel("", ramp * 2 - 1 if panel.scale is Scale.SIGNED else ramp, panel.scale))
        )
        canvas.paste(bar.resize((width, height), Image.Resampling.NEAREST), (_MARGIN, top))
        low, high = (f"{end:.3g}" for end in panel.ends)
        told = plate.legend or ""
        if len(limits) > 1:
            told += ", each panel for itself" if any(other.limits is None for other in alike) else ""
            low, high = ("-largest", "+largest") if panel.scale is Scale.SIGNED else ("smallest", "largest")
        below = top + height + 2
        draw.text((_MARGIN, below), low, _FAINT, font)
        if panel.scale is Scale.SIGNED:
            draw.text((_MARGIN + (width - font.getlength("0")) / 2, below), "0", _FAINT, font)
        draw.text((_MARGIN + width - font.getlength(high), below), high, _FAINT, font)
        draw.text((_MARGIN + width + _GAP, top - 2), told, _INK, font)
        top += height + 2 * _MARGIN
