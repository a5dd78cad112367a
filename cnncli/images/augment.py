"""Random views of an image: what a photograph of the same thing might have looked like, too.

All chance comes from the generator that is handed in, so a view depends on nothing else.
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from cnncli.images.kept import Planes
from cnncli.records.augmentation import PRESETS, Augmentation, AutoAugment, Strength

FEATURE_VIEWS = PRESETS[Strength.LIGHT]
"""Of the views that `--augment-features` adds."""


Resize = Callable[[Planes, tuple[int, int]], Planes]
"""From an image to the same one at a size of (height, width) in pixels."""


def resized(planes: Planes, size: tuple[int, int]) -> Planes:
    """By Pillow, bilinearly."""
    return _planes(_image(planes).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def random_view(
    planes: Planes,
    size: tuple[int, int],
    how: Augmentation,
    draws: np.random.Generator,
    resize: Resize = resized,
) -> Planes:
    """A view of an image at the network's size, resized bilinearly whatever the network's own filter is.

    Args:
        planes: the image (H, W, C); it stays as it is.
        size: (height, width) in pixels.
        how: what may happen to it.
        draws: where chance comes from.
        resize: bilinearly.
    """
    view = _cropped(planes, size, how, draws, resize)
    if how.hflip and draws.random() < how.hflip:
        view = view[:, ::-1]
    if how.vflip and draws.random() < how.vflip:
        view = view[::-1]
    if how.rotate or how.translate:
        view = _planes(_moved(_image(view), how, draws))
    if how.aa is not AutoAugment.NONE:
        view = _planes(_operated(_image(view), how.aa, draws))
    if how.color_jitter:
        view = _jittered(view, how.color_jitter, draws)
    if how.reprob and draws.random() < how.reprob:
        view = _erased(view, draws)
    return np.ascontiguousarray(view)


def _image(planes: Planes) -> Image.Image:
    return Image.fromarray(planes if planes.shape[2] > 1 else planes[:, :, 0])


def _planes(image: Image.Image) -> Planes:
    planes = np.asarray(image)
    return planes if planes.ndim == 3 else planes[:, :, np.newaxis]  # noqa: PLR2004 - (H, W, C)


def _erased(planes: Planes, draws: np.random.Generator) -> Planes:
    """A random rectangle overwritten with noise: 0.02 to 0.33 of the area, as timm and torchvision have it."""
    height, width, channels = planes.shape
    area = height * width * draws.uniform(0.02, 0.33)
    aspect = math.exp(draws.uniform(-_LOG_ERASED_RATIO, _LOG_ERASED_RATIO))
    rows = min(max(round(math.sqrt(area * aspect)), 1), height)
    columns = min(max(round(math.sqrt(area / aspect)), 1), width)
    top, left = int(draws.integers(height - rows + 1)), int(draws.integers(width - columns + 1))
    erased = planes.copy()
    erased[top : top + rows, left : left + columns] = draws.integers(
        256, size=(rows, columns, channels), dtype=np.uint8
    )
    return erased


_LOG_ERASED_RATIO = math.log(10 / 3)


def _cropped(
    planes: Planes, size: tuple[int, int], how: Augmentation, draws: np.random.Generator, resize: Resize
) -> Planes:
    """A random part, or the largest one of the network's shape, from the middle, as predicting does."""
    height, width = planes.shape[:2]
    if how.crops:
        rows, columns = _part((height, width), how, draws)
        top, left = int(draws.integers(height - rows + 1)), int(draws.integers(width - columns + 1))
    else:
        factor = min(height / size[0], width / size[1])
        rows, columns = (max(round(side * factor), 1) for side in size)
        top, left = (height - rows) // 2, (width - columns) // 2
    part = planes[top : top + rows, left : left + columns]
    return part if part.shape[:2] == size else resize(part, size)


def _part(size: tuple[int, int], how: Augmentation, draws: np.random.Generator) -> tuple[int, int]:
    """Rows and columns of a random part; no more than the image has."""
    height, width = size
    area = height * width * draws.uniform(*how.scale)
    aspect = math.exp(draws.uniform(math.log(how.ratio[0]), math.log(how.ratio[1])))
    rows, columns = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
    return min(max(rows, 1), height), min(max(columns, 1), width)


def _moved(view: Image.Image, how: Augmentation, draws: np.random.Generator) -> Image.Image:
    """Turned about its middle and shifted; what comes in from outside is grey."""
    angle = draws.uniform(-how.rotate, how.rotate)
    x, y = (round(draws.uniform(-how.translate, how.translate) * side) for side in view.size)
    return view.rotate(angle, Image.Resampling.BILINEAR, translate=(x, y), fillcolor=_grey(view))


def _grey(view: Image.Image) -> int | tuple[int, ...]:
    return 128 if view.mode == "L" else (128, 128, 128)


def _jittered(planes: Planes, most: float, draws: np.random.Generator) -> Planes:
    """Brightness, contrast and saturation changed as torchvision's ColorJitter does one by one, here all at once.

    Each is linear in the colours, so all three together are a matrix and an offset. NumPy lets other threads work
    meanwhile, which Pillow's own conversion by a matrix does not.
    """
    brightness, contrast, saturation = draws.uniform(1 - most, 1 + most, 3)
    channels = planes.shape[2]
    luminance = _LUMINANCE if channels > 1 else np.ones(1, np.float32)
    gain = brightness * contrast
    mix = gain * (saturation * np.eye(channels) + (1 - saturation) * luminance[:, np.newaxis])
    mean = (planes[::_SAMPLED, ::_SAMPLED] @ luminance).mean()
    colours = planes.reshape(-1, channels).astype(np.float32) @ mix.astype(np.float32)
    colours += np.float32(brightness * (1 - contrast) * mean + _ROUNDED)
    np.clip(colours, 0, 255, out=colours)
    jittered: Planes = colours.astype(np.uint8).reshape(planes.shape)
    return jittered


_LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)
"""Of red, green and blue (ITU-R BT.601), as Pillow weighs them for grey."""

_SAMPLED = 8
"""Every so many rows and columns are enough to know a view's mean."""

_ROUNDED = 0.5
"""Added to a number before its fraction is cut off."""


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
