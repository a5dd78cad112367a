"""Photographs as phones and cameras write them: HEIC and DNG files of ordinary images."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from cnncli.images.decode import Decoding, decode
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.predictions import ImageSource, Unreadable

XYZ_TO_SRGB = (
    (32406, -15372, -4986),
    (-9689, 18758, 415),
    (557, -2040, 10570),
)
"""Matrix from XYZ to linear sRGB (IEC 61966-2-1), in ten thousandths."""


TRUNCATED = "truncated: the file ends before the image is complete"

CORNERS = ("red", "lime", "blue", "white")
"""Of the upright image: top left, top right, bottom left, bottom right."""

STORED_AS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
"""The orientation that turns an upright image into one that is stored with the orientation of the key."""


def corners(width: int = 64, height: int = 48) -> Image.Image:
    image = Image.new("RGB", (width, height))
    for number, colour in enumerate(CORNERS):
        place = (number % 2 * width // 2, number // 2 * height // 2)
        image.paste(Image.new("RGB", (width // 2, height // 2), colour), place)
    return image


def stored(image: Image.Image, orientation: int) -> Image.Image:
    """An upright image as a camera stores it."""
    image.getexif()[274] = STORED_AS[orientation]
    return ImageOps.exif_transpose(image)


def read(
    source: ImageSource, side: int | None = None, *, channels: int = 3, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """The image at a source, for a network whose input has this side."""
    target_size = None if side is None else lambda _: (side, side)
    image = decode(source, Decoding(channels, max_pixels, target_size))
    assert not isinstance(image, Unreadable), image.reason
    return image


def reason(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> str:
    image = decode(source, Decoding(max_pixels=max_pixels))
    assert isinstance(image, Unreadable)
    return image.reason


def colours(image: Image.Image) -> tuple[str, ...]:
    """The names of the colours in the corners."""
    places = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    values = np.asarray(image)
    names = {(True, False, False): "red", (False, True, False): "lime", (False, False, True): "blue"}
    bright = [values[int(y * image.height), int(x * image.width)] > 128 for x, y in places]
    return tuple(names.get((bool(red), bool(green), bool(blue)), "white") for red, green, blue in bright)


def write_heic(image: Image.Image, file: Path, *, orientation: int = 1, **options: Any) -> Path:
    """A HEIC file; one that is stored rotated says so in EXIF and in a property of its own, as those of phones do."""
    heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif.update(image.getexif())
    exif[ExifTags.Base.Orientation] = orientation
    heif.from_pillow(image).save(file, quality=90, exif=exif.tobytes(), **options)
    return file


def write_dng(
    image: Image.Image, file: Path, *, orientation: int = 1, preview: Image.Image | None = None
) -> Path:
    """A DNG file with the Bayer pattern of an image, and perhaps a JPEG of another one as its preview.

    Args:
        image: of even width and height.
        file: to write.
        orientation: as in EXIF.
        preview: as it is stored, which may need rotating, too.
    """
    dng = pytest.importorskip("pidng.dng")
    strips, folders = [_bayer(image).tobytes()], [_raw_tags(dng, image)]
    if preview:
        stream = io.BytesIO()
        preview.save(stream, "JPEG", quality=95)
        strips.insert(0, stream.getvalue())
        folders.insert(0, _preview_tags(dng, preview))
    folders[0] += _camera_tags(dng, orientation)
    file.write_bytes(_tiff(dng, strips, folders))
    return file


def _tiff(dng: Any, strips: list[bytes], folders: list[list[Any]]) -> bytes:
    """A TIFF file of several images, one strip and one list of tags each."""
    content = dng.DNG()
    content.ImageDataStrips = strips
    for tags in folders:
        content.IFDs.append(dng.dngIFD())
        content.IFDs[-1].tags = [*tags, dng.dngTag(dng.Tag.StripOffsets, [0])]
        content.IFDs[-1].tags.append(
            dng.dngTag(dng.Tag.StripByteCounts, [len(strips[len(content.IFDs) - 1])])
        )
    buffer = bytearray(content.dataLen())
    content.setBuffer(buffer)
    for number, folder in enumerate(content.IFDs):
        folder.tags[-2].setValue([content.StripOffsets[number]])
        folder.NextIFDOffset = content.IFDs[number + 1].offset if number + 1 < len(folders) else 0
    content.write()
    return bytes(buffer)


def _bayer(image: Image.Image) -> "np.ndarray[Any, np.dtype[np.uint16]]":
    """(H, W) linear values from 0 to 65535 under a pattern of red, green, green, blue."""
    values = (np.asarray(image.convert("RGB"), np.float64) / 255) ** 2.2
    pattern = np.zeros(values.shape[:2])
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        pattern[row::2, column::2] = values[row::2, column::2, channel]
    return (pattern * 65535).astype(np.uint16)


def _raw_tags(dng: Any, image: Image.Image) -> list[Any]:
    tag = dng.Tag
    values = {
        tag.NewSubfileType: [0],
        tag.ImageWidth: [image.width],
        tag.ImageLength: [image.height],
        tag.BitsPerSample: [16],
        tag.Compression: [1],
        tag.PhotometricInterpretation: [32803],
        tag.SamplesPerPixel: [1],
        tag.RowsPerStrip: [image.height],
        tag.CFARepeatPatternDim: [2, 2],
        tag.CFAPattern: [0, 1, 1, 2],
        tag.WhiteLevel: [65535],
    }
    return [dng.dngTag(name, value) for name, value in values.items()]


def _preview_tags(dng: Any, preview: Image.Image) -> list[Any]:
    tag = dng.Tag
    values = {
        tag.NewSubfileType: [1],
        tag.ImageWidth: [preview.width],
        tag.ImageLength: [preview.height],
        tag.BitsPerSample: [8, 8, 8],
        tag.Compression: [7],
        tag.PhotometricInterpretation: [6],
        tag.SamplesPerPixel: [3],
        tag.RowsPerStrip: [preview.height],
    }
    return [dng.dngTag(name, value) for name, value in values.items()]


def _camera_tags(dng: Any, orientation: int) -> list[Any]:
    tag = dng.Tag
    values = {
        tag.DNGVersion: [1, 4, 0, 0],
        tag.DNGBackwardVersion: [1, 0, 0, 0],
        tag.Make: "Maker",
        tag.Model: "Model 1",
        tag.DateTime: "2026:05:01 06:30:00",
        tag.UniqueCameraModel: "Maker Model 1",
        tag.Orientation: [orientation],
        tag.ColorMatrix1: [(value, 10000) for row in XYZ_TO_SRGB for value in row],
        tag.AsShotNeutral: [(1, 1), (1, 1), (1, 1)],
        tag.CalibrationIlluminant1: [21],
    }
    return [dng.dngTag(name, value) for name, value in values.items()]
