"""Random views of an image: what a photograph of the same thing might have looked like, too."""

import math

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from cnncli.images.preprocess import FILTERS
from cnncli.records.networks import Preprocessing

AREA = (0.5, 1.0)
"""Share of the image's area that a view shows."""

ASPECT = (3 / 4, 4 / 3)
"""Width to height of that part, as in torchvision's RandomResizedCrop (Szegedy et al., 2015)."""

JITTER = 0.2
"""Most by which brightness, contrast and saturation change, as a share."""


def random_view(image: Image.Image, how: Preprocessing, draws: np.random.Generator) -> Image.Image:
    """A part of the image at the network's size, mirrored or not, its colours a little changed.

    Args:
        image: in the mode that the network takes (`RGB` or `L`).
        how: has the size and the filter.
        draws: where chance comes from.
    """
    height, width = how.size
    box = _box(image.size, draws)
    view = image.resize((width, height), FILTERS[how.interpolation], box)
    if draws.random() < 1 / 2:
        view = ImageOps.mirror(view)
    kinds = [ImageEnhance.Brightness, ImageEnhance.Contrast]
    if image.mode == "RGB":
        kinds.append(ImageEnhance.Color)
    for kind in kinds:
        view = kind(view).enhance(draws.uniform(1 - JITTER, 1 + JITTER))
    return view


def _box(size: tuple[int, int], draws: np.random.Generator) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in pixels of a random part; no wider or higher than the image."""
    width, height = size
    area = width * height * draws.uniform(*AREA)
    aspect = math.exp(draws.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
    part_width = min(math.sqrt(area * aspect), width)
    part_height = min(math.sqrt(area / aspect), height)
    left, top = draws.uniform(0, width - part_width), draws.uniform(0, height - part_height)
    return left, top, left + part_width, top + part_height
