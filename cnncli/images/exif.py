"""When, with what and where a photograph was taken, as its file says in EXIF."""

import contextlib
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, BinaryIO

from PIL import ExifTags, Image

from cnncli.dataclass import frozen_dataclass
from cnncli.images.decode import open_image
from cnncli.images.raw import is_raw, is_tiff, open_raw
from cnncli.images.sources import ImageInput
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.predictions import Exif, ImageSource, Stamp

_TIME = re.compile(r"(\d{4})\D(\d\d)\D(\d\d)\D(\d\d)\D(\d\d)\D(\d\d)")
_OFFSET = re.compile(r"[+-]\d\d:\d\d")

_TIMES = (
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
    (ExifTags.Base.DateTime, ExifTags.Base.OffsetTime),
)
"""Tags of the time, and of its offset from UTC, the best first: programs that edit a photo change the last."""

_DIGITS = 6
"""Decimals of a degree: a tenth of a metre."""


@frozen_dataclass
class ExifSource(ImageSource):
    """A source whose EXIF is read whenever it is opened, so that its bytes are fetched only once.

    Attributes:
        source: the source itself.
        exif: its EXIF, once it has been opened; empty before.
    """

    source: ImageSource
    exif: list[Exif] = field(default_factory=list, compare=False, repr=False)

    @property
    def is_remote(self) -> bool:
        """As of the source itself."""
        return self.source.is_remote

    def open(self) -> BinaryIO:
        """The stream of the source itself."""
        stream = self.source.open()
        self.exif[:] = [read_exif(self.path, stream)]
        stream.seek(0)
        return stream

    def stamp(self) -> Stamp | None:
        """As of the source itself."""
        return self.source.stamp()

    def without_content(self) -> ImageSource:
        """The same without bytes, with its EXIF if it has been opened."""
        return ExifSource(self.path, self.source.without_content(), self.exif)


def with_exif(inputs: Iterable[ImageInput | None]) -> Iterator[ImageInput | None]:
    """The inputs as sources whose EXIF is read."""
    for entry in inputs:
        yield ExifSource(entry.path, entry) if isinstance(entry, ImageSource) else entry


def without_exif(source: ImageSource) -> tuple[ImageSource, Exif | None]:
    """The source itself, and the EXIF that was read with it; None if it was not asked for."""
    if isinstance(source, ExifSource):
        return source.source, next(iter(source.exif), None)
    return source, None


def read_exif(path: str, stream: BinaryIO) -> Exif:
    """What an image file says of how it was taken; nothing where its EXIF is missing or damaged."""
    with contextlib.suppress(Exception):  # Pillow's parser raises anything on damaged tags
        return _summary(_tags(path, stream))
    return Exif()


def _tags(path: str, stream: BinaryIO) -> Image.Exif:
    if is_tiff(stream):  # also most RAW files
        tags = Image.Exif()
        tags.load_from_fp(stream)
        return tags
    if is_raw(path, stream):
        with open_raw(stream) as raw:
            return raw.exif()
    with open_image(stream, MAX_PIXELS) as image:
        tags = Image.Exif()
        tags.load(image.info.get("exif", b""))  # `getexif` would decode a PNG to look for it at the end
        return tags


def _summary(tags: Image.Exif) -> Exif:
    latitude, longitude = _position(tags.get_ifd(ExifTags.IFD.GPSInfo))
    return Exif(_time(dict(tags) | tags.get_ifd(ExifTags.IFD.Exif)), _camera(tags), latitude, longitude)


def _text(value: Any) -> str:  # noqa: ANN401 - a value of Pillow's tags
    """A text in EXIF, which may be filled up with zeros and spaces; empty if it is no text."""
    return " ".join(value.partition("\0")[0].split()) if isinstance(value, str) else ""


def _time(tags: Mapping[int, Any]) -> str | None:
    for time, offset in _TIMES:
        if match := _TIME.match(_text(tags.get(time))):
            with contextlib.suppress(ValueError):  # 0000:00:00, as of a camera without a clock
                zone = _text(tags.get(offset))
                text = "{}-{}-{}T{}:{}:{}".format(*match.groups()) + (zone if _OFFSET.fullmatch(zone) else "")
                return dt.datetime.fromisoformat(text).isoformat()
    return None


def _camera(tags: Mapping[int, Any]) -> str | None:
    """Maker and model, without repeating the maker."""
    maker, model = _text(tags.get(ExifTags.Base.Make)), _text(tags.get(ExifTags.Base.Model))
    name = model if model.casefold().startswith(maker.casefold()) else f"{maker} {model}"
    return name.strip() or None


def _position(tags: Mapping[int, Any]) -> tuple[float, float] | tuple[None, None]:
    """Latitude and longitude in degrees; none where either is missing, as without reception."""
    latitude = _degrees(tags.get(ExifTags.GPS.GPSLatitude), tags.get(ExifTags.GPS.GPSLatitudeRef))
    longitude = _degrees(tags.get(ExifTags.GPS.GPSLongitude), tags.get(ExifTags.GPS.GPSLongitudeRef))
    return (None, None) if latitude is None or longitude is None else (latitude, longitude)


def _degrees(parts: Any, reference: Any) -> float | None:  # noqa: ANN401 - values of Pillow's tags
    """Degrees, minutes and seconds as a number; negative in the south and west."""
    if not isinstance(parts, tuple) or len(parts) != 3:  # noqa: PLR2004 - as above
        return None
    degrees, minutes, seconds = map(float, parts)
    value = degrees + minutes / 60 + seconds / 3600
    if not abs(value) <= 180:  # noqa: PLR2004 - also NaN, for 0/0
        return None
    return round(-value if _text(reference) in {"S", "W"} else value, _DIGITS)
