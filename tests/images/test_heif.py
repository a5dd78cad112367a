"""HEIC images, as phones take them, are read like all others."""

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from cnncli.images import heif
from cnncli.images.decode import header
from cnncli.images.in_memory import InMemory
from cnncli.images.local_file import LocalFile
from cnncli.records.predictions import Unreadable
from tests.photographs_for_tests import (
    CORNERS,
    STORED_AS,
    TRUNCATED,
    colours,
    corners,
    read,
    reason,
    stored,
    write_heic,
)

pytest.importorskip("pi_heif")


@pytest.mark.parametrize("orientation", STORED_AS)
def test_images_are_upright(tmp_path: Path, orientation: int) -> None:
    file = write_heic(stored(corners(), orientation), tmp_path / "a.heic", orientation=orientation)
    image = read(LocalFile(str(file)))
    assert (image.size, image.mode, colours(image)) == ((64, 48), "RGB", CORNERS)


def test_the_header(tmp_path: Path) -> None:
    facts = header(LocalFile(str(write_heic(corners(), tmp_path / "a.heic"))))
    assert not isinstance(facts, Unreadable)
    assert (facts.size, facts.mode, facts.format) == ((64, 48), "RGB", "HEIF")


def test_of_several_images_the_primary_one_is_read() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.HeifFile()
    file.add_from_pillow(Image.new("RGB", (80, 80), "grey"))
    file.add_from_pillow(corners())
    for primary, size in ((0, (80, 80)), (1, (64, 48))):
        stream = io.BytesIO()
        file.save(stream, primary_index=primary)
        assert read(InMemory("a.heic", stream.getvalue())).size == size


def test_transparency_is_composited_on_white(tmp_path: Path) -> None:
    file = write_heic(Image.new("RGBA", (64, 64), (0, 0, 255, 0)), tmp_path / "a.heic")
    assert read(LocalFile(str(file))).getpixel((32, 32)) == (255, 255, 255)


def test_another_brand(tmp_path: Path) -> None:
    content = write_heic(corners(), tmp_path / "a.heic").read_bytes()
    assert read(InMemory("-", content.replace(b"ftypheic", b"ftypmif1", 1))).size == (64, 48)


def test_max_pixels(tmp_path: Path) -> None:
    file = LocalFile(str(write_heic(corners(), tmp_path / "a.heic")))
    assert reason(file, max_pixels=3071) == "3,072 pixels, more than the limit of 3,071 (--max-pixels)"
    assert read(file, max_pixels=3072).size == (64, 48)


@pytest.mark.parametrize("cut", [-1, 300, 100])
def test_a_file_that_was_cut_off(tmp_path: Path, cut: int) -> None:
    content = write_heic(corners(640, 480), tmp_path / "a.heic").read_bytes()
    assert reason(InMemory("a.heic", content[:cut])) in {TRUNCATED, "a HEIC image that is damaged or cut off"}


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    monkeypatch.setattr(heif, "register", lambda: False)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])


@pytest.mark.usefixtures("without_package")
def test_without_pi_heif(tmp_path: Path) -> None:
    file = write_heic(corners(), tmp_path / "a.heic")
    assert reason(LocalFile(str(file))).startswith("a HEIC image, which needs the package pi-heif: ")
