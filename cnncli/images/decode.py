"""Decoding an image file to RGB or grey pixels, whatever its bytes are.

The rules are the same for every command:

- the first frame of animations and multi-page files, in the orientation given by EXIF;
- transparency composited on white;
- 16-bit grey divided by 257, 32-bit integers and floats scaled from their own minimum and maximum;
- everything else as Pillow converts it; embedded colour profiles are not applied, as in timm and
  torchvision.

An image that cannot be read becomes `Unreadable` with a reason; no content of a file raises an exception.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.predictions import ImageSource, Unreadable, UnreadableError

Size = tuple[int, int]
"""(width, height) in pixels, in Pillow's order."""

LARGE_JPEG = 4_000_000
"""Pixels above which a JPEG may be decoded at a reduced scale."""

DRAFT_MARGIN = 2
"""A JPEG decoded at a reduced scale has at least this multiple of the size that the image is resized to."""

_COMMON = ("JPEG", "PNG", "GIF", "BMP", "PPM")
"""Tried first: trying any other format makes Pillow import all of its plugins."""

_REFUSED = frozenset({"EPS"})
"""Formats for which Pillow starts another program (Ghostscript)."""

_WHITE = (255, 255, 255, 255)


@dataclass(frozen=True, slots=True)
class Decoding:
    """How images are decoded.

    Attributes:
        channels: 3 for RGB, 1 for `L`.
        max_pixels: an image with more is not read.
        target_size: returns the size that an image will be resized to, from its own size; a large JPEG is then
            decoded at 1/2, 1/4 or 1/8, never below `DRAFT_MARGIN` times that. None decodes every pixel.
    """

    channels: int = 3
    max_pixels: int = MAX_PIXELS
    target_size: Callable[[Size], Size] | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an image file.

    Attributes:
        size: (width, height) in pixels, before EXIF orientation.
        mode: Pillow's name for the channels and bit depth.
        format: Pillow's name for the file format.
    """

    size: Size
    mode: str
    format: str


def header(source: ImageSource) -> Header | Unreadable:
    """Read the header of an image file, but not its pixels."""
    try:
        with source.open() as stream, _open_image(stream, MAX_PIXELS) as image:
            return Header(image.size, image.mode, image.format or "")
    except UnreadableError as error:
        return Unreadable(source.path, str(error))
    except OSError as error:
        return Unreadable(source.path, _os_reason(error))
    except Exception as error:  # noqa: BLE001 - as in `decode`
        return Unreadable(source.path, f"cannot be decoded: {_one_line(error)}")


def decode(source: ImageSource, decoding: Decoding) -> Image.Image | Unreadable:
    """The image at a source, mode `RGB` or `L`."""
    try:
        with source.open() as stream:
            return _pixels(stream, decoding)
    except MemoryError:
        return Unreadable(source.path, "not enough memory")
    except UnreadableError as error:
        return Unreadable(source.path, str(error))
    except OSError as error:
        return Unreadable(source.path, _os_reason(error))
    except Exception as error:  # noqa: BLE001 - decoders may raise anything on hostile bytes (see tests/images)
        return Unreadable(source.path, f"cannot be decoded: {_one_line(error)}")


def _pixels(stream: BinaryIO, decoding: Decoding) -> Image.Image:
    with _open_image(stream, decoding.max_pixels) as image:
        width, height = image.size
        if width * height > decoding.max_pixels:
            raise _too_large(width * height, decoding.max_pixels)
        _reduce(image, decoding)
        image.load()
        white = _white_level(image)  # before rotation makes a copy without the file's tags
        return _convert(_apply_orientation(image), decoding.channels, white)


def _too_large(pixels: int, limit: int) -> UnreadableError:
    return UnreadableError(f"{pixels:,} pixels, more than the limit of {limit:,} (--max-pixels)")


def _open_image(stream: BinaryIO, max_pixels: int) -> Image.Image:
    """The image in a stream, with only its header read."""
    try:
        return _open_by_format(stream)
    except UnidentifiedImageError:
        raise UnreadableError(_reason_if_unknown(stream)) from None
    except Image.DecompressionBombError as error:  # above Pillow's own limit; its message has the number
        number = re.search(r"\d+", str(error))
        raise _too_large(int(number[0]) if number else max_pixels, max_pixels) from error


def _open_by_format(stream: BinaryIO) -> Image.Image:
    try:
        return Image.open(stream, formats=_COMMON)
    except UnidentifiedImageError:
        Image.init()
        return Image.open(stream, formats=[name for name in Image.ID if name not in _REFUSED])


def _reason_if_unknown(stream: BinaryIO) -> str:
    stream.seek(0)
    head = stream.read(32)
    if head.startswith((b"%!PS", b"\xc5\xd0\xd3\xc6")):
        return "PostScript, which needs another program (Ghostscript)"
    if head[4:8] == b"ftyp" and head[8:12] in {b"heic", b"heix", b"mif1", b"msf1", b"hevc"}:
        return "a HEIC image, which Pillow does not read; convert it to JPEG or PNG first"
    if head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "a JPEG XL image, which Pillow does not read; convert it to JPEG or PNG first"
    return "not an image, or too damaged to tell which kind"


def allow_pixels(limit: int) -> None:
    """Let Pillow open images of up to this many pixels, if its own limit is lower.

    Pillow refuses images above twice `Image.MAX_IMAGE_PIXELS`, for the whole process. Lower limits are checked
    here (see `Decoding.max_pixels`).
    """
    if Image.MAX_IMAGE_PIXELS is not None and limit > 2 * Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = (limit + 1) // 2


def _reduce(image: Image.Image, decoding: Decoding) -> None:
    """Let the JPEG decoder decode at a reduced scale, which is faster, if the result is still large enough."""
    width, height = image.size
    if decoding.target_size is None or image.format not in {"JPEG", "MPO"} or width * height <= LARGE_JPEG:
        return
    # EXIF may still rotate the image by 90 degrees, so both orientations must be large enough.
    upright, rotated = decoding.target_size((width, height)), decoding.target_size((height, width))[::-1]
    width, height = (DRAFT_MARGIN * max(sides) for sides in zip(upright, rotated, strict=True))
    image.draft(None, (width, height))


_ROTATED = range(2, 9)
"""Values of EXIF's orientation for images that are stored rotated or mirrored."""


def _apply_orientation(image: Image.Image) -> Image.Image:
    """The image in the orientation given by EXIF; unchanged if the EXIF block is damaged."""
    try:
        # Pillow also copies images that need no rotation, which takes a quarter of the decoding time.
        is_rotated = image.getexif().get(ExifTags.Base.Orientation) in _ROTATED
        return ImageOps.exif_transpose(image) if is_rotated else image
    except Exception:  # noqa: BLE001 - Pillow's EXIF parser raises anything on damaged tags
        return image


def _convert(image: Image.Image, channels: int, white: int | None) -> Image.Image:
    """Mode `RGB`, or `L` for one channel; `white` as in `_white_level`."""
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


def _on_white(image: Image.Image) -> Image.Image:
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, _WHITE), layer).convert("RGB")


def _grey_from_deep(image: Image.Image, white: int | None) -> Image.Image:
    """8-bit grey from 16-bit or 32-bit grey.

    16-bit values are divided by 257 (65,535 = 255 * 257), 12-bit ones by 4,095 / 255. 32-bit integers and
    floats have no conventional white level, so each image is scaled from its own minimum to its own maximum;
    values that are not finite count as the minimum, and a constant image is black. Transparent pixels are white.
    """
    values = np.asarray(image).astype(np.float64)
    if white:
        grey = np.clip(values, 0, white) * (255 / white)
    else:
        finite = np.isfinite(values)
        low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 0.0)
        grey = (np.where(finite, values, low) - low) / ((high - low) or 1.0) * 255
    if isinstance(clear := image.info.get("transparency"), int):  # PNG: one grey value is transparent
        grey[values == clear] = 255
    return Image.fromarray(np.rint(grey).astype(np.uint8))


def _white_level(image: Image.Image) -> int | None:
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


def _os_reason(error: OSError) -> str:
    """The reason in an OSError of the operating system, or of Pillow, which uses the same class."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, IsADirectoryError):
        return "a folder, not a file"
    if error.strerror:
        return error.strerror.lower()
    message = _one_line(error)
    return (
        "truncated: the file ends before the image is complete"
        if "truncated" in message
        else f"cannot be decoded: {message}"
    )


def _one_line(error: Exception) -> str:
    """An exception's message on one line, shortened if it is long."""
    message = " ".join(str(error).split()) or type(error).__name__
    return message if len(message) <= 160 else message[:159] + "…"  # noqa: PLR2004 - two lines of a terminal


def thumbnail(source: ImageSource, box: Size, max_pixels: int = MAX_PIXELS) -> bytes | None:
    """The image at a source as a PNG that fits into `box`, (width, height) in pixels; None where it cannot be read."""
    image = decode(source, Decoding(max_pixels=max_pixels, target_size=lambda _: box))
    if isinstance(image, Unreadable):
        return None
    image.thumbnail(box)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
