"""What an image file says of when, with what and where it was taken."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from cnncli.images.decode import Decoding, decode
from cnncli.images.exif import read_exif, with_exif, without_exif
from cnncli.images.in_memory import InMemory
from cnncli.records.predictions import Exif, ImageSource
from tests.photographs_for_tests import corners, write_dng, write_heic

GPS: dict[int, object] = {1: "N", 2: (48.0, 8.0, 15.0), 3: "W", 4: (11.0, 34.0, 30.0)}


def tags(gps: Mapping[int, object] = GPS, /, **values: Any) -> Image.Exif:
    exif = Image.Exif()
    known = {"Make": "Canon", "Model": "Canon EOS 5D", "DateTime": "2026:06:01 10:00:00"} | values
    own: dict[int, object] = {}
    for name, value in known.items():
        is_own = name.endswith(("Original", "Digitized"))
        (own if is_own else exif)[ExifTags.Base[name]] = value
    exif[ExifTags.IFD.Exif] = own
    exif[ExifTags.IFD.GPSInfo] = gps
    return exif


def saved(exif: Image.Exif, format_: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    corners().save(stream, format_, exif=exif)
    return stream.getvalue()


def read(content: bytes, name: str = "a.jpg") -> Exif:
    return read_exif(name, io.BytesIO(content))


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_ordinary_images(format_: str) -> None:
    exif = tags(DateTimeOriginal="2026:05:01 06:30:00", OffsetTimeOriginal="+02:00")
    expected = Exif("2026-05-01T06:30:00+02:00", "Canon EOS 5D", 48.1375, -11.575)
    assert read(saved(exif, format_)) == expected
    assert read(exif.tobytes().removeprefix(b"Exif\0\0"), "a.tif") == expected


def test_heic_and_raw(tmp_path: Path) -> None:
    image = corners()
    image.getexif().update(tags())
    heic = write_heic(image, tmp_path / "a.heic").read_bytes()
    assert read(heic) == Exif("2026-06-01T10:00:00", "Canon EOS 5D", 48.1375, -11.575)
    dng = write_dng(corners(), tmp_path / "a.dng", preview=corners()).read_bytes()
    assert read(dng, "a.dng") == Exif("2026-05-01T06:30:00", "Maker Model 1")
    assert read(b"IIRO" + dng[4:], "a.orf").camera in {"Maker Model 1", None}


@pytest.mark.parametrize(
    ("values", "taken"),
    [
        ({"DateTime": "2026:05:01 06:30:00"}, "2026-05-01T06:30:00"),
        ({"DateTime": "2026-05-01T06:30:00Z"}, "2026-05-01T06:30:00"),
        ({"DateTimeDigitized": "2026:05:01 06:30:00"}, "2026-05-01T06:30:00"),
        ({"DateTimeOriginal": "0000:00:00 00:00:00"}, "2026-06-01T10:00:00"),
        ({"DateTimeOriginal": "    :  :     :  :  "}, "2026-06-01T10:00:00"),
        ({"DateTime": "2026:02:30 06:30:00"}, None),
        ({"DateTime": "yesterday"}, None),
        ({"DateTime": "2026:05:01 06:30:00", "OffsetTime": "local"}, "2026-05-01T06:30:00"),
        ({"DateTime": "2026:05:01 06:30:00", "OffsetTime": "+99:00"}, None),
    ],
)
def test_times(values: dict[str, str], taken: str | None) -> None:
    assert read(saved(tags(**values))).taken == taken


@pytest.mark.parametrize(
    ("maker", "model", "camera"),
    [
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("NIKON CORPORATION\0\0", "NIKON D90  ", "NIKON CORPORATION NIKON D90"),
        ("", "Pixel 8", "Pixel 8"),
        ("Maker\n", "", "Maker"),
        ("", "", None),
    ],
)
def test_cameras(maker: str, model: str, camera: str | None) -> None:
    assert read(saved(tags(Make=maker, Model=model))).camera == camera


@pytest.mark.parametrize(
    "gps",
    [
        {},
        {1: "N", 2: (48.0, 8.0, 15.0)},
        {**GPS, 2: (IFDRational(0, 0),) * 3},
        {**GPS, 2: (480.0, 8.0, 15.0)},
        {**GPS, 4: (11.0,)},
    ],
)
def test_no_position(gps: dict[int, object]) -> None:
    exif = read(saved(tags(gps)))
    assert (exif.latitude, exif.longitude, exif.camera) == (None, None, "Canon EOS 5D")


@pytest.mark.parametrize("content", [b"", b"x", b"II*\0", b"II*\0\xff\xff\xff\xff", saved(tags())[:300]])
def test_damaged_files_say_nothing(content: bytes) -> None:
    for name in ("a.jpg", "a.dng"):
        assert read(content, name).latitude is None


def test_it_is_read_with_the_image() -> None:
    opened = []

    class Counted(InMemory):
        def open(self) -> io.BytesIO:
            opened.append(self.path)
            return io.BytesIO(self.data)

    (source,) = with_exif([Counted("a.jpg", saved(tags()))])
    assert isinstance(source, ImageSource)
    assert without_exif(source) == (Counted("a.jpg", saved(tags())), None)
    decode(source, Decoding())
    assert without_exif(source.without_content())[1] == Exif(
        "2026-06-01T10:00:00", "Canon EOS 5D", 48.1375, -11.575
    )
    assert opened == ["a.jpg"]
