"""Text on surfaces."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .arrays import Array


def rasterize(text: str, height: int = 48) -> Array:
    """The text as ink from 0 to 1 of shape (rows, columns), cropped to its bounding box."""
    font = ImageFont.load_default(height)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
    sheet = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(sheet).text((-left, -top), text, fill=255, font=font)
    return np.asarray(sheet, np.float32) / 255


def print_ink(ink: Array, across: Array, down: Array) -> Array:
    """The ink at positions from 0 to 1 across and down the text; 0 outside."""
    rows, columns = ink.shape
    inside = (across >= 0) & (across < 1) & (down >= 0) & (down < 1)
    row = np.clip((down * rows).astype(int), 0, rows - 1)
    column = np.clip((across * columns).astype(int), 0, columns - 1)
    return np.asarray(np.where(inside, ink[row, column], 0), np.float32)
