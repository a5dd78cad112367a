"""Decoding an image file to RGB or grey pixels, whatever its bytes are.

The rules are the same for every command:

- the first frame of animations and multi-page files, in the orientation given by EXIF;
- transparency composited on white;
- 16-bit grey divided by 257, 32-bit integers and floats scaled from their own minimum and maximum;
- everything else as Pillow converts it; embedded colour profiles are not applied, as in timm and
  torchvision.

An image that cannot be read becomes `Unreadable` with a reason; no content of a file raises an exception.
"""

import contextlib
import io
import re
from collections.abc import Callable
from typing import BinaryIO, TypeVar, cast

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from cnncli.dataclass import frozen_dataclass
from cnncli.images import heif
from cnncli.images.convert import to_mode, white_level
from cnncli.images.guarded_stream import GuardedStream
from cnncli.images.memory import MemoryBudget
from cnncli.images.pixel_limit import allow_pixels
from cnncli.images.raw import Size, is_raw, open_raw
from cnncli.images.reasons import decoder_reason, os_error_reason, reason_if_unknown
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.predictions import ImageSource, Unreadable, UnreadableError

T = TypeVar("T")

LARGE_JPEG = 4_000_000
"""Pixels above which a JPEG may be decoded at a reduced scale."""

DRAFT_MARGIN = 2
"""A JPEG decoded at a reduced scale has at least this multiple of the size that the image is resized to."""

_COMMON = ("JPEG", "PNG", "GIF", "BMP", "PPM")
"""Tried first: trying any other format makes Pillow import all of its plugins."""

_REFUSED = frozenset({"EPS"})
"""Formats for which Pillow starts another program (Ghostscript)."""


@frozen_dataclass
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


@frozen_dataclass
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
        with source.open() as stream:
            if is_raw(source.path, stream):
                with open_raw(stream) as raw:
                    return Header(raw.size, "RGB", "RAW")
            with open_image(stream, MAX_PIXELS) as image:
                return Header(image.size, image.mode, image.format or "")
    except UnreadableError as error:
        return Unreadable(source.path, str(error))
    except OSError as error:
        return Unreadable(source.path, os_error_reason(error))
    except Exception as error:  # noqa: BLE001 - as in `decode`
        return Unreadable(source.path, decoder_reason(error))


def decode(source: ImageSource, decoding: Decoding) -> Image.Image | Unreadable:
    """The image at a source, mode `RGB` or `L`."""
    return with_image(source, decoding, lambda image: image)


def with_image(
    source: ImageSource, decoding: Decoding, use: Callable[[Image.Image], T | Unreadable]
) -> T | Unreadable:
    """What a function makes of the image at a source.

    Threads that decode large images wait for each other until `use` returns (`_BUDGET`).

    Args:
        source: of the image.
        decoding: how it is decoded.
        use: gets the image, mode `RGB` or `L`; must not decode another one.
    """
    with contextlib.ExitStack() as reservation:
        image = _decode(source, decoding, reservation)
        try:
            return image if isinstance(image, Unreadable) else use(image)
        except MemoryError:
            return Unreadable(source.path, "not enough memory")
        finally:
            del image  # before the next thread gets its memory


def _decode(
    source: ImageSource, decoding: Decoding, reservation: contextlib.ExitStack
) -> Image.Image | Unreadable:
    try:
        with source.open() as stream:
            if is_raw(source.path, stream):
                return _raw_pixels(stream, decoding, reservation)
            with open_image(stream, decoding.max_pixels) as image:
                return _pixels(image, decoding, reservation)
    except MemoryError:
        return Unreadable(source.path, "not enough memory")
    except UnreadableError as error:
        return Unreadable(source.path, str(error))
    except OSError as error:
        return Unreadable(source.path, os_error_reason(error))
    except Exception as error:  # noqa: BLE001 - decoders may raise anything on hostile bytes (see tests/images)
        return Unreadable(source.path, decoder_reason(error))


def _pixels(image: Image.Image, decoding: Decoding, reservation: contextlib.ExitStack) -> Image.Image:
    """The pixels of an image of which only the header has been read."""
    width, height = image.size
    _require_size(image.size, decoding)
    _reduce(image, decoding)
    _reserve(_memory(image, decoding, width * height), reservation)
    image.load()
    white = white_level(image)  # before rotation makes a copy without the file's tags
    return to_mode(_apply_orientation(image), decoding.channels, white)


def _raw_pixels(stream: BinaryIO, decoding: Decoding, reservation: contextlib.ExitStack) -> Image.Image:
    """The pixels of a RAW file: of its preview if that is large enough, else of the developed image."""
    with open_raw(stream) as raw:
        _require_size(raw.size, decoding)
        least = _least_size(raw.size, decoding)
        if preview := raw.preview(least):
            with preview:
                return _pixels(preview, decoding, reservation)
        _reserve(raw.memory(least), reservation)
        return to_mode(raw.develop(least), decoding.channels, None)


def _require_size(size: Size, decoding: Decoding) -> None:
    """Raise UnreadableError if an image has too many pixels."""
    if size[0] * size[1] > decoding.max_pixels:
        raise _too_large(size[0] * size[1], decoding.max_pixels)


def _reserve(memory: int, reservation: contextlib.ExitStack) -> None:
    """Wait until there is memory for an image, in bytes."""
    reservation.enter_context(_BUDGET.reserve(memory))
    if memory > _BLOCK:
        Image.core.set_block_size(_BLOCK)  # type: ignore[attr-defined] # documented, but not exported


_BUDGET = MemoryBudget(1 << 30)
"""Bytes for the images that are decoded at the same time."""

_BLOCK = 64 << 20
"""Bytes of the blocks that Pillow divides a large image into. Its own 16 MB are below the 32 MB from which glibc always returns
memory to the system; freed blocks would stay with the thread that used them, 6 GB in all with eight threads."""

_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""Bytes that Pillow takes per pixel of a mode; 4 for any other."""

_DECODER_BYTES = {"TIFF": 4, "WEBP": 8, "HEIF": 8, "AVIF": 12, "JPEG2000": 16}
"""Bytes per pixel that a format's decoder takes besides the image: strips, RGBA, planes of 32-bit integers."""

_COEFFICIENT_BYTES = 6
"""Bytes per pixel at full scale of a progressive JPEG, whose coefficients are all kept: 3 planes of 16-bit integers."""


def _memory(image: Image.Image, decoding: Decoding, full_pixels: int) -> int:
    """About how many bytes decoding takes at its peak.

    Args:
        image: not loaded yet; a JPEG may be at a reduced scale.
        decoding: how it is decoded.
        full_pixels: of the image at full scale.
    """
    own = _BYTES.get(image.mode, 4)
    result = 0 if image.mode == "RGB" else 4 if decoding.channels > 1 else 1
    rotated = own if "exif" in image.info and _is_rotated(image) else 0  # else a PNG would be loaded
    per_pixel = own + rotated + result + _DECODER_BYTES.get(image.format or "", 0)
    coefficients = _COEFFICIENT_BYTES * full_pixels if "progressive" in image.info else 0
    return image.width * image.height * per_pixel + coefficients


def _too_large(pixels: int, limit: int) -> UnreadableError:
    return UnreadableError(f"{pixels:,} pixels, more than the limit of {limit:,} (--max-pixels)")


def open_image(stream: BinaryIO, max_pixels: int) -> Image.Image:
    """The image in a stream, with only its header read."""
    try:
        with allow_pixels(max_pixels):
            return _open_by_format(cast("BinaryIO", GuardedStream(stream)))
    except UnidentifiedImageError:
        raise UnreadableError(reason_if_unknown(stream)) from None
    except Image.DecompressionBombError as error:  # above Pillow's own limit; its message has the number
        number = re.search(r"\d+", str(error))
        raise _too_large(int(number[0]) if number else max_pixels, max_pixels) from error


def _open_by_format(stream: BinaryIO) -> Image.Image:
    try:
        return Image.open(stream, formats=_COMMON)
    except UnidentifiedImageError:
        Image.init()
        heif.register()
        return Image.open(stream, formats=[name for name in Image.ID if name not in _REFUSED])


def _reduce(image: Image.Image, decoding: Decoding) -> None:
    """Let the JPEG decoder decode at a reduced scale, which is faster, if the result is still large enough."""
    if image.format in {"JPEG", "MPO"} and image.width * image.height > LARGE_JPEG:
        image.draft(None, _least_size(image.size, decoding))


def _least_size(size: Size, decoding: Decoding) -> Size:
    """The size from which an image decoded at a reduced scale is large enough; its own if every pixel is decoded."""
    if decoding.target_size is None:
        return size
    # EXIF may still rotate the image by 90 degrees, so both orientations must be large enough.
    upright, rotated = decoding.target_size(size), decoding.target_size(size[::-1])[::-1]
    return DRAFT_MARGIN * max(upright[0], rotated[0]), DRAFT_MARGIN * max(upright[1], rotated[1])


_ROTATED = range(2, 9)
"""Values of EXIF's orientation for images that are stored rotated or mirrored."""


def _is_rotated(image: Image.Image) -> bool:
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in _ROTATED
    except Exception:  # noqa: BLE001 - Pillow's EXIF parser raises anything on damaged tags
        return False


def _apply_orientation(image: Image.Image) -> Image.Image:
    """The image in the orientation given by EXIF; unchanged if the EXIF block is damaged."""
    try:
        # Pillow also copies images that need no rotation, which takes a quarter of the decoding time.
        return ImageOps.exif_transpose(image) if _is_rotated(image) else image
    except Exception:  # noqa: BLE001 - Pillow's EXIF parser raises anything on damaged tags
        return image


def thumbnail(source: ImageSource, box: Size, max_pixels: int = MAX_PIXELS) -> bytes | None:
    """The image at a source as a PNG that fits into `box`, (width, height) in pixels; None where it cannot be read."""

    def png(image: Image.Image) -> bytes:
        image.thumbnail(box)
        file = io.BytesIO()
        image.save(file, "PNG")
        return file.getvalue()

    small = with_image(source, Decoding(max_pixels=max_pixels, target_size=lambda _: box), png)
    return None if isinstance(small, Unreadable) else small
