"""A contact sheet: a row of thumbnails for each class."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw

from cnncli.dataclass import frozen_dataclass
from cnncli.render import fonts
from cnncli.text import printable

THUMBNAIL = (96, 96)
"""(width, height) in pixels that an image fits into."""

ROWS, COLUMNS = 40, 10
"""Largest number of classes, and of images per class."""

_MARGIN, _LINE, _FONT_SIZE = 6, 18, 12
_PAPER, _INK = "#ffffff", "#1b1b1b"


@frozen_dataclass
class SheetRow:
    """A class: its title, and PNG thumbnails of some of its images; None where one cannot be read."""

    title: str
    thumbnails: Sequence[bytes | None]


def contact_sheet_png(rows: Sequence[SheetRow]) -> bytes:
    """Draw the rows as a PNG."""
    font = fonts.font(_FONT_SIZE)
    width, height = THUMBNAIL[0] + _MARGIN, THUMBNAIL[1] + _LINE + _MARGIN
    columns = max((len(row.thumbnails) for row in rows), default=1)
    sheet = Image.new("RGB", (columns * width + _MARGIN, len(rows) * height + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        top = _MARGIN + number * height
        draw.text((_MARGIN, top), printable(row.title), _INK, font)
        for column, thumbnail in enumerate(row.thumbnails):
            if thumbnail:
                sheet.paste(_enlarge(thumbnail), (_MARGIN + column * width, top + _LINE))
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()


def _enlarge(thumbnail: bytes) -> Image.Image:
    """The thumbnail; a tiny one is enlarged by a whole number, so that its pixels can be seen."""
    with Image.open(io.BytesIO(thumbnail)) as image:
        factor = max(min(THUMBNAIL[0] // image.width, THUMBNAIL[1] // image.height), 1)
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
