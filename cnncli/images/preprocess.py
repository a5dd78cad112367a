"""From a decoded image to the float32 pixels that a network expects.

Bit for bit what timm's `create_transform(**data_config, is_training=False)` and torchvision's
`weights.transforms()` compute from the same image: Pillow resizes and crops, NumPy does the arithmetic, in
the same order and precision; and what the processors of transformers compute with Pillow, except for the last digit where they
scale pixels otherwise than by 1/255. tests/images/test_preprocess.py and tests/networks/zoo/test_transformers.py compare them.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnncli.records.networks import CropRounding, Interpolation, Preprocessing, Resize

Pixels = NDArray[np.float32]
"""(C, H, W) float32 of one image, or (N, C, H, W) of several: the input of a network."""

FILTERS = {
    Interpolation.NEAREST: Image.Resampling.NEAREST,
    Interpolation.BILINEAR: Image.Resampling.BILINEAR,
    Interpolation.BICUBIC: Image.Resampling.BICUBIC,
    Interpolation.BOX: Image.Resampling.BOX,
    Interpolation.HAMMING: Image.Resampling.HAMMING,
    Interpolation.LANCZOS: Image.Resampling.LANCZOS,
}
"""Pillow's filters by our names."""


def preprocess(image: Image.Image, preprocessing: Preprocessing) -> Pixels:
    """Pixels (C, H, W) float32 of an image in the mode that the network expects (`RGB` or `L`)."""
    return normalize(center_crop(resize(image, preprocessing), preprocessing), preprocessing)


def size_after_resize(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int]:
    """(width, height) in pixels of an image after the resize and before the crop."""
    width, height = size
    target_height, target_width = preprocessing.resize
    match preprocessing.resize_mode:
        case Resize.SQUASH:
            return target_width, target_height
        case Resize.SHORTER:
            # torchvision's _compute_resized_output_size: the longer side is truncated, not rounded.
            long = int(target_height * max(size) / min(size))
            return (target_height, long) if width <= height else (long, target_height)
        case Resize.COVER:
            ratio = min(height / target_height, width / target_width)
        case Resize.FIT:
            ratio = max(height / target_height, width / target_width)
    # timm's ResizeKeepRatio rounds both sides; a narrow image keeps at least one pixel.
    return max(round(width / ratio), 1), max(round(height / ratio), 1)


def resize(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """The image, resized to `size_after_resize`."""
    size = size_after_resize(image.size, preprocessing)
    return image if size == image.size else image.resize(size, FILTERS[preprocessing.interpolation])


def center_crop(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """The centre of an image, cropped to the network's size; a smaller image is padded with `fill`."""
    height, width = preprocessing.size
    rounding = preprocessing.crop_rounding
    left, top = _margin(image.width, width, rounding), _margin(image.height, height, rounding)
    if image.width >= width and image.height >= height:
        return image.crop((left, top, left + width, top + height))
    canvas = Image.new(
        image.mode,
        (width, height),
        preprocessing.fill if preprocessing.channels > 1 else preprocessing.fill[0],
    )
    canvas.paste(image, (-left, -top))
    return canvas


def _margin(length: int, target: int, rounding: CropRounding) -> int:
    """Pixels cut off before the crop, half the difference; negative where the image is shorter and gets padded."""
    if rounding is CropRounding.DOWN:
        return (length - target) // 2
    return round((length - target) / 2) if length >= target else -((target - length) // 2)


def normalize(image: Image.Image, preprocessing: Preprocessing) -> Pixels:
    """(value / 255 - mean) / std, each step in float32, planes first: (C, H, W)."""
    values = np.asarray(image)
    planes = values.transpose(2, 0, 1) if values.ndim == 3 else values[np.newaxis]  # noqa: PLR2004 - (H, W, C)
    mean = np.array(preprocessing.mean, np.float32)[:, np.newaxis, np.newaxis]
    std = np.array(preprocessing.std, np.float32)[:, np.newaxis, np.newaxis]
    pixels = np.empty(planes.shape, np.float32)
    np.divide(planes, np.float32(255), out=pixels, dtype=np.float32)
    np.subtract(pixels, mean, out=pixels)
    np.divide(pixels, std, out=pixels)
    return pixels
