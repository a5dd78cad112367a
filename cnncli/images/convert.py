"""Pixels of any mode as 8-bit RGB or grey, in memory that grows with the result only.

Deep and transparent images are converted in strips: their intermediate values take up to eight times the memory of the result.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnncli.records.predictions import UnreadableError

_WHITE = (255, 255, 255, 255)

_STRIP = 1 << 20
"""Pixels of a strip."""


def to_mode(image: Image.Image, channels: int, white: int | None) -> Image.Image:
    """Mode `RGB`, or `L` for one channel; `white` as in `white_level`."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        image = _grey_from_deep(image, white)
    elif image.has_transparency_data:
        image = _on_white(image)
    elif image.mode == "LAB":
        image = _rgb_from_lab(image)
    mode = "RGB" if channels == 3 else "L"  # noqa: PLR2004 - RGB is three
    # Palettes, CMYK and HSV are converted to `L` through RGB, so that grey is computed from the same colours as for RGB.
    if mode == "L" and image.mode not in {"L", "1", "RGB"}:
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The top row of each strip, and its pixels, with the palette and the information of the image."""
    rows = max(_STRIP // image.width, 1)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _by_strips(image: Image.Image, mode: str, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """The image in a mode, converted strip by strip."""
    if image.width * image.height <= _STRIP:
        return convert(image)
    result = Image.new(mode, image.size)
    for top, strip in _strips(image):
        result.paste(convert(strip), (0, top))
    return result


def _on_white(image: Image.Image) -> Image.Image:
    def convert(strip: Image.Image) -> Image.Image:
        layer = strip.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, _WHITE), layer).convert("RGB")

    return _by_strips(image, "RGB", convert)


def _grey_from_deep(image: Image.Image, white: int | None) -> Image.Image:
    """8-bit grey from 16-bit or 32-bit grey.

    16-bit values are divided by 257 (65,535 = 255 * 257), 12-bit ones by 4,095 / 255. 32-bit integers and
    floats have no conventional white level, so each image is scaled from its own minimum to its own maximum;
    values that are not finite count as the minimum, and a constant image is black. Transparent pixels are white.
    """
    low, high = (0.0, 0.0) if white else _finite_range(image)
    clear = image.info.get("transparency")  # PNG: one grey value is transparent

    def convert(strip: Image.Image) -> Image.Image:
        values = _values(strip)
        if white:
            grey = np.clip(values, 0, white) * (255 / white)
        else:
            grey = (np.where(np.isfinite(values), values, low) - low) / ((high - low) or 1.0) * 255
        if isinstance(clear, int):
            grey[values == clear] = 255
        return Image.fromarray(np.rint(grey).astype(np.uint8))

    return _by_strips(image, "L", convert)


def _values(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image).astype(np.float64)


def _finite_range(image: Image.Image) -> tuple[float, float]:
    """The smallest and the largest finite value; zeros where there is none."""
    ranges = []
    for _, strip in _strips(image):
        values = _values(strip)
        finite = values[np.isfinite(values)]
        if finite.size:
            ranges.append((finite.min(), finite.max()))
    return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else (0.0, 0.0)


def white_level(image: Image.Image) -> int | None:
    """The value of white in a 16-bit or 32-bit grey image, if its format defines one."""
    if image.mode.startswith("I;16"):
        return 4095 if _tiff_bits(image) == 12 else 65535  # noqa: PLR2004 - 12-bit TIFF, unscaled by Pillow
    # Pillow opens 16-bit PGM files as 32-bit integers, already scaled to 65,535.
    return 65535 if image.mode == "I" and image.format == "PPM" else None


def _tiff_bits(image: Image.Image) -> int | None:
    tags = getattr(image, "tag_v2", None)
    bits = tags.get(258) if tags is not None else None  # 258: BitsPerSample, one value per sample
    return int(bits[0]) if isinstance(bits, tuple) else None


def _rgb_from_lab(image: Image.Image) -> Image.Image:
    """CIE L*a*b* to sRGB, which Pillow's `convert` does not support."""
    from PIL import ImageCms  # rarely needed

    converted = ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    if converted is None:  # only if converted in place
        raise UnreadableError("its L*a*b* colours cannot be converted")
    return converted
