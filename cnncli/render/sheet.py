"""A picture sheet: each image above bars for its most probable classes.

After figure 4 of Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural
Networks" (2012).
"""

import io
import math
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from cnncli.dataclass import frozen_dataclass
from cnncli.records.predictions import (
    NO_CLASS,
    UNKNOWN,
    Prediction,
    Record,
    Score,
    TrueClasses,
    Unreadable,
)
from cnncli.render import fonts
from cnncli.text import percent, printable

LIMIT = 60
"""Largest number of images on a sheet."""

THUMBNAIL = (240, 180)
"""(width, height) in pixels that an image fits into."""

_ASPECT = 4 / 3
"""Width of a sheet by its height; the number of columns comes as close to it as possible."""
_MARGIN = 12
_CLASSES = 10
"""Largest number of classes below an image, shared by its tasks."""
_LINE = 19
"""Height of a label's bar, in pixels."""
_FONT_SIZE = 12
_PERCENT = 50
"""Width of the column of percentages, to the right of the bars, in pixels."""
_BAR = THUMBNAIL[0] - _PERCENT
"""Length of the bar of 100 %, in pixels."""
_CHARACTERS = 36
"""Characters of a line of text, which is about as wide as an image."""
_INK, _PAPER, _TRUE, _OTHER, _ALARM = "#1b1b1b", "#ffffff", "#9ad1a4", "#d4dbe3", "#b3261e"
"""The bar of the true class is green; all others, and all bars where it is not known, are grey."""


@frozen_dataclass
class Card:
    """One image of the sheet.

    Attributes:
        record: its prediction.
        thumbnail: a small PNG or JPEG; None where the image could not be read.
        truth: its true classes; None where they are not known.
    """

    record: Record
    thumbnail: bytes | None
    truth: TrueClasses | None = None


class _Bar(NamedTuple):
    """A class below an image; one without a probability is a task without an answer, or why there is no answer at all."""

    label: str
    probability: float | None
    is_true: bool


def sheet_png(cards: Sequence[Card]) -> bytes:
    """Draw the cards as a PNG, in as many columns as make it about 4:3."""
    font = fonts.font(_FONT_SIZE)
    lines = max(
        (len(_bars(card.record, card.truth)) for card in cards if isinstance(card.record, Prediction)),
        default=1,
    )
    width, height = THUMBNAIL[0] + _MARGIN, THUMBNAIL[1] + (lines + 1) * _LINE + 2 * _MARGIN
    columns = _column_count(len(cards), width / height)
    rows = -(-max(len(cards), 1) // columns)
    sheet = Image.new("RGB", (columns * width + _MARGIN, rows * height + _MARGIN), _PAPER)
    for number, card in enumerate(cards):
        origin = (_MARGIN + number % columns * width, _MARGIN + number // columns * height)
        _draw(sheet, card, origin, font)
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()


def _column_count(count: int, card_aspect: float) -> int:
    """The number of columns that brings a sheet of so many cards closest to `_ASPECT`; at least one."""
    columns = range(1, max(count, 1) + 1)
    return min(columns, key=lambda n: abs(math.log(n / -(-max(count, 1) // n) * card_aspect / _ASPECT)))


_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _draw(sheet: Image.Image, card: Card, origin: tuple[int, int], font: _Font) -> None:
    left, top = origin
    draw = ImageDraw.Draw(sheet)
    if card.thumbnail:
        with Image.open(io.BytesIO(card.thumbnail)) as picture:
            sheet.paste(
                picture,
                (left + (THUMBNAIL[0] - picture.width) // 2, top + (THUMBNAIL[1] - picture.height) // 2),
            )
    else:
        draw.rectangle((left, top, left + THUMBNAIL[0] - 1, top + THUMBNAIL[1] - 1), outline=_ALARM)
    top += THUMBNAIL[1] + 3
    name = _name(card.record) + (f": {printable(card.truth.name)}" if card.truth and card.truth.name else "")
    draw.text((left, top), _truncate(name, THUMBNAIL[0], font), _INK, font)
    if isinstance(card.record, Unreadable):
        draw.text((left, top + _LINE), _truncate(card.record.reason, THUMBNAIL[0], font), _ALARM, font)
        return
    for rank, bar in enumerate(_bars(card.record, card.truth)):
        _draw_bar(draw, bar, (left, top + (rank + 1) * _LINE), font)


def _draw_bar(draw: ImageDraw.ImageDraw, bar: _Bar, origin: tuple[int, int], font: _Font) -> None:
    """A bar with the label on it, and its percentage beside it; a true class is green and has a frame."""
    left, top = origin
    if bar.probability is not None:
        length = round(bar.probability * (_BAR - 1))
        draw.rectangle((left, top, left + length, top + _LINE - 4), fill=_TRUE if bar.is_true else _OTHER)
        text = percent(bar.probability)
        draw.text((left + THUMBNAIL[0] - font.getlength(text) - 1, top), text, _INK, font)
    if bar.is_true:
        draw.rectangle((left - 2, top - 1, left + THUMBNAIL[0] + 1, top + _LINE - 3), outline=_INK)
    width = THUMBNAIL[0] if bar.probability is None else _BAR
    draw.text((left + 3, top), _truncate(printable(bar.label), width - 6, font), _INK, font)


def _bars(prediction: Prediction, truth: TrueClasses | None) -> list[_Bar]:
    """The classes below an image, as many of each task; of an image unlike those that the network knows, the reason."""
    if prediction.reason:
        lines = textwrap.wrap(f"{UNKNOWN}: {prediction.reason}", _CHARACTERS)
        return [_Bar(line, None, is_true=False) for line in lines]
    names = [f"{task.name}: " for task in prediction.tasks] or [""]
    truths = truth.indices if truth else [frozenset[int]()] * len(names)
    most = max(_CLASSES // len(names), 1)
    blocks = zip(names, prediction.scores_by_task, truths, strict=True)
    return [bar for name, scores, indices in blocks for bar in _task_bars(name, scores[:most], indices)]


def _task_bars(name: str, scores: Sequence[Score], truth: frozenset[int]) -> list[_Bar]:
    """The classes of a task, which `name` begins; `truth` are the indices of its true classes."""
    bars = [_Bar(f"{name}{score.label}", score.probability, score.index in truth) for score in scores]
    return bars or [_Bar(f"{name}{NO_CLASS}", None, is_true=False)]


def _name(record: Record) -> str:
    return printable(record.path.rstrip("/").rpartition("/")[2] or record.path)


def _truncate(text: str, width: float, font: _Font) -> str:
    """Text that fits into a width in pixels, with an ellipsis where it was cut."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
