"""Camera RAW images are read like all others: upright, within the limits, and with a reason if they cannot be."""

import shutil
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.images.decode import header
from cnncli.images.in_memory import InMemory
from cnncli.images.local_file import LocalFile
from cnncli.images.sources import sources
from cnncli.records.predictions import ImageSource, Unreadable
from tests.photographs_for_tests import CORNERS, TRUNCATED, colours, corners, read, reason, stored, write_dng

pytest.importorskip("rawpy")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_developed_images_are_upright(tmp_path: Path, orientation: int) -> None:
    file = write_dng(stored(corners(), orientation), tmp_path / "a.dng", orientation=orientation)
    image = read(LocalFile(str(file)))
    assert (image.size, image.mode, colours(image)) == ((64, 48), "RGB", CORNERS)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_previews_are_upright(tmp_path: Path, orientation: int) -> None:
    preview = stored(corners(), orientation)
    grey = Image.new("RGB", preview.size, "grey")
    file = write_dng(grey, tmp_path / "a.dng", orientation=orientation, preview=preview)
    image = read(LocalFile(str(file)))
    assert (image.size, colours(image)) == ((64, 48), CORNERS)


def test_a_preview_that_is_upright_already_is_not_rotated(tmp_path: Path) -> None:
    grey = Image.new("RGB", (64, 48), "grey")
    file = write_dng(grey, tmp_path / "a.dng", orientation=6, preview=corners(48, 64))
    image = read(LocalFile(str(file)), 20)
    assert (image.size, colours(image)) == ((48, 64), CORNERS)


def test_only_a_preview_that_is_large_enough_is_used(tmp_path: Path) -> None:
    grey = Image.new("RGB", (640, 480), "grey")
    file = LocalFile(str(write_dng(grey, tmp_path / "a.dng", preview=corners(160, 120))))
    small, large, every = (read(file, side) for side in (60, 61, None))
    assert (small.size, colours(small)) == ((160, 120), CORNERS)
    assert large.size == (320, 240), "half the size of the RAW image is enough"
    assert every.size == (640, 480)
    assert len(set(np.asarray(every).reshape(-1, 3).mean(axis=1).round() // 16)) == 1, "grey"


def test_a_grey_network_gets_grey(tmp_path: Path) -> None:
    assert read(LocalFile(str(write_dng(corners(), tmp_path / "a.dng"))), channels=1).mode == "L"


def test_max_pixels(tmp_path: Path) -> None:
    file = LocalFile(str(write_dng(corners(), tmp_path / "a.dng", preview=corners(16, 12))))
    assert reason(file, max_pixels=3071) == "3,072 pixels, more than the limit of 3,071 (--max-pixels)"
    assert read(file, max_pixels=3072).size == (64, 48)


def test_the_header(tmp_path: Path) -> None:
    file = write_dng(corners(), tmp_path / "a.dng", preview=corners(16, 12))
    facts = header(LocalFile(str(file)))
    assert not isinstance(facts, Unreadable)
    assert (facts.size, facts.mode, facts.format) == ((64, 48), "RGB", "RAW")


@pytest.mark.parametrize("has_preview", [True, False])
@pytest.mark.parametrize("cut", [-1, 3000, 100, 1])
def test_a_file_that_was_cut_off(tmp_path: Path, cut: int, *, has_preview: bool) -> None:
    file = write_dng(corners(), tmp_path / "a.dng", preview=corners() if has_preview else None)
    file.write_bytes(file.read_bytes()[:cut])
    assert reason(LocalFile(str(file))) == TRUNCATED


def test_raw_files_are_known_by_their_content(tmp_path: Path) -> None:
    file = write_dng(Image.new("RGB", (64, 48), "grey"), tmp_path / "a.dng", preview=corners(16, 12))
    assert read(InMemory("-", file.read_bytes())).size == (64, 48), (
        "not the preview of 16 x 12, which is a TIFF image"
    )
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(file, "a.dng")
    (member,) = sources([str(tmp_path / "a.tar")])
    assert isinstance(member, ImageSource)
    assert read(member).size == (64, 48)


def test_ordinary_images_with_the_ending_of_raw_files(tmp_path: Path) -> None:
    corners().save(tmp_path / "a.nef", "JPEG")
    corners().save(tmp_path / "a.tif")
    for name in ("a.nef", "a.tif"):
        assert read(LocalFile(str(tmp_path / name))).size == (64, 48)


@pytest.mark.parametrize(
    "content", [b"II*\0", b"II*\0\x08\0\0\0\xff\xff", b"MM\0*\xff\xff\xff\xff", b"FUJIFILMCCD-RAW", b"x"]
)
@pytest.mark.parametrize("name", ["a.dng", "a"])
def test_damaged_files(content: bytes, name: str) -> None:
    assert reason(InMemory(name, content + b"\0" * 3))


def test_without_rawpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    file = write_dng(corners(), tmp_path / "a.dng", preview=corners(16, 12))
    text = reason(LocalFile(str(file)))
    assert text.startswith("a camera RAW image, which needs the package rawpy: ")
    assert "cnncli[raw]" in text


def test_raw_files_in_folders_are_reported(tmp_path: Path) -> None:
    for name in ("a.NEF", "b.cr3", "c.dcm", "d.txt"):
        (tmp_path / name).write_bytes(b"\0" * 128 + b"DICM")
    found = list(sources([str(tmp_path)]))
    assert [Path(source.path).name for source in found] == ["a.NEF", "b.cr3", "c.dcm"]
    reasons = [reason(source) for source in found if isinstance(source, ImageSource)]
    assert reasons[2] == "a DICOM image; convert it to PNG first"
    assert all(text.startswith("a camera RAW image that LibRaw cannot read: ") for text in reasons[:2])


@pytest.mark.shared
def test_a_file_of_a_camera(shared: Path, tmp_path: Path) -> None:
    file = shared / "data" / "raw" / "kodak_dc50.kdc"
    image = read(LocalFile(str(file)), 224)
    assert image.size == (768, 512), "its preview has 96 x 64 pixels"
    shutil.copyfile(file, tmp_path / "without ending")
    assert read(LocalFile(str(tmp_path / "without ending"))).size == (768, 512)
