"""Random views of an image: what a photograph of the same thing might have looked like, too.

All chance comes from the generator that is handed in, so a view depends on nothing else.
"""

import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from cnncli.records.augmentation import Augmentation, AutoAugment, Strength

_USUAL_RATIO = (3 / 4, 4 / 3)

PRESETS: Mapping[Strength, Augmentation] = {
    Strength.NONE: Augmentation(),
    Strength.LIGHT: Augmentation(scale=(0.5, 1.0), ratio=_USUAL_RATIO, hflip=0.5, color_jitter=0.2),
    Strength.MEDIUM: Augmentation(
        scale=(0.35, 1.0), ratio=_USUAL_RATIO, hflip=0.5, rotate=10, color_jitter=0.3, reprob=0.1
    ),
    Strength.STRONG: Augmentation(
        scale=(0.2, 1.0), ratio=_USUAL_RATIO, hflip=0.5, aa=AutoAugment.RAND, color_jitter=0.3, reprob=0.25
    ),
}

FEATURE_VIEWS = PRESETS[Strength.LIGHT]
"""Of the views that `--augment-features` adds."""


def random_view(
    image: Image.Image,
    size: tuple[int, int],
    how: Augmentation,
    draws: np.random.Generator,
) -> Image.Image:
    """A view of an image at the network's size, resized bilinearly whatever the network's own filter is.

    Args:
        image: in the mode that the network takes (`RGB` or `L`).
        size: (height, width) in pixels.
        how: what may happen to it.
        draws: where chance comes from.
    """
    view = _cropped(image, size, how, draws)
    if how.hflip and draws.random() < how.hflip:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if how.vflip and draws.random() < how.vflip:
        view = view.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    if how.rotate or how.translate:
        view = _moved(view, how, draws)
    if how.aa is not AutoAugment.NONE:
        view = _operated(view, how.aa, draws)
    if how.color_jitter:
        view = _jittered(view, how.color_jitter, draws)
    return view


def erase(pixels: NDArray[np.uint8], probability: float, draws: np.random.Generator) -> None:
    """Overwrite a random rectangle of a view (H, W, C), or none, with noise; in place.

    0.02 to 0.33 of the area, as timm and torchvision have it.
    """
    if not probability or draws.random() >= probability:
        return
    height, width, channels = pixels.shape
    area = height * width * draws.uniform(0.02, 0.33)
    aspect = math.exp(draws.uniform(-_LOG_ERASED_RATIO, _LOG_ERASED_RATIO))
    rows = min(max(round(math.sqrt(area * aspect)), 1), height)
    columns = min(max(round(math.sqrt(area / aspect)), 1), width)
    top, left = int(draws.integers(height - rows + 1)), int(draws.integers(width - columns + 1))
    pixels[top : top + rows, left : left + columns] = draws.integers(
        256, size=(rows, columns, channels), dtype=np.uint8
    )


_LOG_ERASED_RATIO = math.log(10 / 3)


def _cropped(
    image: Image.Image,
    size: tuple[int, int],
    how: Augmentation,
    draws: np.random.Generator,
) -> Image.Image:
    height, width = size
    if not how.crops and image.size == (width, height):
        return image
    if how.crops:
        box = _box(image.size, how, draws)
    else:  # the largest part of the network's shape, from the middle, as predicting does
        factor = min(image.width / width, image.height / height)
        part_width, part_height = width * factor, height * factor
        left, top = (image.width - part_width) / 2, (image.height - part_height) / 2
        box = (left, top, left + part_width, top + part_height)
    return image.resize((width, height), Image.Resampling.BILINEAR, box)


def _box(
    size: tuple[int, int], how: Augmentation, draws: np.random.Generator
) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in pixels of a random part; no wider or higher than the image."""
    width, height = size
    area = width * height * draws.uniform(*how.scale)
    aspect = math.exp(draws.uniform(math.log(how.ratio[0]), math.log(how.ratio[1])))
    part_width = min(math.sqrt(area * aspect), width)
    part_height = min(math.sqrt(area / aspect), height)
    left, top = draws.uniform(0, width - part_width), draws.uniform(0, height - part_height)
    return left, top, left + part_width, top + part_height


def _moved(view: Image.Image, how: Augmentation, draws: np.random.Generator) -> Image.Image:
    """Turned about its middle and shifted; what comes in from outside is grey."""
    angle = draws.uniform(-how.rotate, how.rotate)
    x, y = (round(draws.uniform(-how.translate, how.translate) * side) for side in view.size)
    return view.rotate(angle, Image.Resampling.BILINEAR, translate=(x, y), fillcolor=_grey(view))


def _grey(view: Image.Image) -> int | tuple[int, ...]:
    return 128 if view.mode == "L" else (128, 128, 128)


def _jittered(view: Image.Image, most: float, draws: np.random.Generator) -> Image.Image:
    """Brightness, contrast and saturation changed as torchvision's ColorJitter does one by one, here all at once.

    Each is linear in the colours, so all three together are a matrix and an offset, and one pass over the pixels.
    """
    brightness, contrast, saturation = (float(draws.uniform(1 - most, 1 + most)) for _ in range(3))
    mean = float(np.asarray(view.resize((16, 16), Image.Resampling.NEAREST).convert("L")).mean())
    gain, offset = brightness * contrast, brightness * (1 - contrast) * mean
    if view.mode == "L":
        return view.point([round(gain * value + offset) for value in range(256)])
    grey = [gain * (1 - saturation) * weight for weight in _LUMINANCE]
    own = gain * saturation
    rows = (
        [*(share + own * (row == column) for column, share in enumerate(grey)), offset] for row in range(3)
    )
    return view.convert("RGB", tuple(itertools.chain.from_iterable(rows)))


_LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601), as Pillow weighs them for grey."""


# ---- RandAugment and TrivialAugment


def _affine(view: Image.Image, *matrix: float) -> Image.Image:
    """Sheared or shifted: output (x, y) shows input (a x + b y + c, d x + e y + f)."""
    return view.transform(
        view.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=_grey(view)
    )


def _enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> "_Operation":
    return lambda view, amount: kind(view).enhance(1 + 0.9 * amount)


_Operation = Callable[[Image.Image, float], Image.Image]
"""Changes an image by an amount from -1 to 1."""

_OPERATIONS: tuple[_Operation, ...] = (
    lambda view, _: view,
    lambda view, _: ImageOps.autocontrast(view),
    lambda view, _: ImageOps.equalize(view),
    lambda view, amount: view.rotate(30 * amount, Image.Resampling.BILINEAR, fillcolor=_grey(view)),
    lambda view, amount: ImageOps.solarize(view, round(256 - 256 * abs(amount))),
    lambda view, amount: ImageOps.posterize(view, 8 - round(4 * abs(amount))),
    lambda view, amount: _affine(view, 1, 0.3 * amount, 0, 0, 1, 0),
    lambda view, amount: _affine(view, 1, 0, 0, 0.3 * amount, 1, 0),
    lambda view, amount: _affine(view, 1, 0, 0.33 * amount * view.width, 0, 1, 0),
    lambda view, amount: _affine(view, 1, 0, 0, 0, 1, 0.33 * amount * view.height),
    _enhanced(ImageEnhance.Brightness),
    _enhanced(ImageEnhance.Contrast),
    _enhanced(ImageEnhance.Color),
    _enhanced(ImageEnhance.Sharpness),
)
"""Those of both papers, with RandAugment's largest amounts (its implementation in timm and torchvision)."""

_RAND_OPERATIONS, _RAND_AMOUNT = 2, 9 / 30


def _operated(view: Image.Image, kind: AutoAugment, draws: np.random.Generator) -> Image.Image:
    for _ in range(_RAND_OPERATIONS if kind is AutoAugment.RAND else 1):
        operation = _OPERATIONS[draws.integers(len(_OPERATIONS))]
        amount = _RAND_AMOUNT if kind is AutoAugment.RAND else draws.random()
        view = operation(view, amount if draws.random() < 1 / 2 else -amount)
    return view
