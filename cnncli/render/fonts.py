"""The font of pictures: one with accents, Greek and Cyrillic, where it is installed."""

import contextlib
import importlib.util
from pathlib import Path

from PIL import ImageFont


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans as matplotlib brings it, found without importing matplotlib; else Pillow's own, which has ASCII only.

    Args:
        size: in pixels.
    """
    found = importlib.util.find_spec("matplotlib")
    for folder in (found.submodule_search_locations or []) if found else []:
        file = Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
        with contextlib.suppress(OSError):
            return ImageFont.truetype(str(file), size)
    return ImageFont.load_default(size)
