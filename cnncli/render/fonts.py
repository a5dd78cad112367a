"""The font of pictures: DejaVu Sans, which has accents, Greek and Cyrillic, if matplotlib is installed."""

import contextlib
import importlib.util
from pathlib import Path

from PIL import ImageFont


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans from matplotlib, which is not imported for it; else Pillow's default font, which is ASCII only.

    Args:
        size: in pixels.
    """
    spec = importlib.util.find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        file = Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
        with contextlib.suppress(OSError):
            return ImageFont.truetype(str(file), size)
    return ImageFont.load_default(size)
