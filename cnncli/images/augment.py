"""Data augmentation: random views of an image.

All randomness comes from the generator that is passed in, so a view depends on nothing else.
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from cnncli.images.image_cache import Planes
from cnncli.records.augmentation import PRESETS, Augmentation, AutoAugment, Strength

FEATURE_VIEWS = PRESETS[Strength.LIGHT]
"""Augmentation of the views that `--augment-features` adds."""


ResizeFunction = Callable[[Planes, tuple[int, int]], Planes]
"""Resizes an image to (height, width) in pixels."""


def resize_planes(planes: Planes, size: tuple[int, int]) -> Planes:
    """An image (H, W, C) at a size of (height, width) in pixels, resized by Pillow with its bilinear filter."""
    return _planes(_image(planes).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def random_view(
    planes: Planes,
    size: tuple[int, int],
    augmentation: Augmentation,
    rng: np.random.Generator,
    resize: ResizeFunction = resize_planes,
) -> Planes:
    """A random view of an image at the network's size, resized bilinearly whatever the network's own filter is.

    Args:
        planes: the image (H, W, C); it is not changed.
        size: (height, width) of the view in pixels.
        augmentation: the transformations and their strengths.
        rng: the source of all randomness.
        resize: a bilinear filter.
    """
    view = _random_crop(planes, size, augmentation, rng, resize)
    if augmentation.hflip and rng.random() < augmentation.hflip:
        view = view[:, ::-1]
    if augmentation.vflip and rng.random() < augmentation.vflip:
        view = view[::-1]
    if augmentation.rotate or augmentation.translate:
        view = _planes(_rotate_and_shift(_image(view), augmentation, rng))
    if augmentation.aa is not AutoAugment.NONE:
        view = _planes(_auto_augment(_image(view), augmentation.aa, rng))
    if augmentation.color_jitter:
        view = _jitter_colors(view, augmentation.color_jitter, rng)
    if augmentation.reprob and rng.random() < augmentation.reprob:
        view = _erase(view, rng)
    return np.ascontiguousarray(view)


def _image(planes: Planes) -> Image.Image:
    return Image.fromarray(planes if planes.shape[2] > 1 else planes[:, :, 0])


def _planes(image: Image.Image) -> Planes:
    planes = np.asarray(image)
    return planes if planes.ndim == 3 else planes[:, :, np.newaxis]  # noqa: PLR2004 - (H, W, C)


def _erase(planes: Planes, rng: np.random.Generator) -> Planes:
    """Random erasing: a rectangle of 0.02 to 0.33 of the area overwritten with noise, the ranges of timm and torchvision."""
    height, width, channels = planes.shape
    area = height * width * rng.uniform(0.02, 0.33)
    aspect = math.exp(rng.uniform(-_LOG_ERASED_RATIO, _LOG_ERASED_RATIO))
    rows = min(max(round(math.sqrt(area * aspect)), 1), height)
    columns = min(max(round(math.sqrt(area / aspect)), 1), width)
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    erased = planes.copy()
    erased[top : top + rows, left : left + columns] = rng.integers(
        256, size=(rows, columns, channels), dtype=np.uint8
    )
    return erased


_LOG_ERASED_RATIO = math.log(10 / 3)


def _random_crop(
    planes: Planes,
    size: tuple[int, int],
    augmentation: Augmentation,
    rng: np.random.Generator,
    resize: ResizeFunction,
) -> Planes:
    """A random crop, or the largest centre crop of the network's shape, as for predicting."""
    height, width = planes.shape[:2]
    if augmentation.crops:
        rows, columns = _crop_size((height, width), augmentation, rng)
        top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    else:
        factor = min(height / size[0], width / size[1])
        rows, columns = (max(round(side * factor), 1) for side in size)
        top, left = (height - rows) // 2, (width - columns) // 2
    crop = planes[top : top + rows, left : left + columns]
    return crop if crop.shape[:2] == size else resize(crop, size)


def _crop_size(
    size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator
) -> tuple[int, int]:
    """Height and width of a random crop in pixels, at most those of the image."""
    height, width = size
    area = height * width * rng.uniform(*augmentation.scale)
    aspect = math.exp(rng.uniform(math.log(augmentation.ratio[0]), math.log(augmentation.ratio[1])))
    rows, columns = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
    return min(max(rows, 1), height), min(max(columns, 1), width)


def _rotate_and_shift(view: Image.Image, augmentation: Augmentation, rng: np.random.Generator) -> Image.Image:
    """The image rotated about its centre and shifted; new pixels are grey."""
    angle = rng.uniform(-augmentation.rotate, augmentation.rotate)
    x, y = (round(rng.uniform(-augmentation.translate, augmentation.translate) * side) for side in view.size)
    return view.rotate(angle, Image.Resampling.BILINEAR, translate=(x, y), fillcolor=_grey(view))


def _grey(view: Image.Image) -> int | tuple[int, ...]:
    return 128 if view.mode == "L" else (128, 128, 128)


def _jitter_colors(planes: Planes, strength: float, rng: np.random.Generator) -> Planes:
    """Brightness, contrast and saturation changed at once, where torchvision's ColorJitter changes one after the other.

    Each is linear in the colours, so all three together are a matrix and an offset. NumPy releases the interpreter lock,
    which Pillow's own conversion by a matrix does not.
    """
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3)
    channels = planes.shape[2]
    luminance = _LUMINANCE if channels > 1 else np.ones(1, np.float32)
    gain = brightness * contrast
    mix = gain * (saturation * np.eye(channels) + (1 - saturation) * luminance[:, np.newaxis])
    mean = (planes[::_STRIDE, ::_STRIDE] @ luminance).mean()
    colours = planes.reshape(-1, channels).astype(np.float32) @ mix.astype(np.float32)
    colours += np.float32(brightness * (1 - contrast) * mean + _HALF)
    np.clip(colours, 0, 255, out=colours)
    jittered: Planes = colours.astype(np.uint8).reshape(planes.shape)
    return jittered


_LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)
"""Weights of red, green and blue (ITU-R BT.601), as Pillow uses them for grey."""

_STRIDE = 8
"""Step in rows and columns of the pixels from which a view's mean is computed."""

_HALF = 0.5
"""Added before the fraction is cut off, so that values are rounded."""


# ---- RandAugment and TrivialAugment


def _affine(view: Image.Image, *matrix: float) -> Image.Image:
    """The image sheared or shifted: output (x, y) shows input (a x + b y + c, d x + e y + f)."""
    return view.transform(
        view.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=_grey(view)
    )


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> "_Operation":
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
    _enhance(ImageEnhance.Brightness),
    _enhance(ImageEnhance.Contrast),
    _enhance(ImageEnhance.Color),
    _enhance(ImageEnhance.Sharpness),
)
"""The operations of RandAugment and TrivialAugment, with RandAugment's largest amounts in timm and torchvision."""

_RAND_OPERATIONS, _RAND_AMOUNT = 2, 9 / 30


def _auto_augment(view: Image.Image, kind: AutoAugment, rng: np.random.Generator) -> Image.Image:
    for _ in range(_RAND_OPERATIONS if kind is AutoAugment.RAND else 1):
        operation = _OPERATIONS[rng.integers(len(_OPERATIONS))]
        amount = _RAND_AMOUNT if kind is AutoAugment.RAND else rng.random()
        view = operation(view, amount if rng.random() < 1 / 2 else -amount)
    return view
