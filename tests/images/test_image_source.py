"""Any kind of image source goes wherever a local file goes: it opens itself, and has a stamp and a digest."""

import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import BinaryIO

import pytest
from PIL import Image

from cnncli.data.health import examine
from cnncli.data.split_matching import match_splits
from cnncli.data.splits import splits_table
from cnncli.dataclass import frozen_dataclass
from cnncli.files.csv_tables import write_tables
from cnncli.images.decode import Decoding, decode
from cnncli.images.digest import sha256
from cnncli.images.in_memory import InMemory
from cnncli.images.local_file import LocalFile
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.predictions import ImageSource, Stamp, UnreadableError


@frozen_dataclass
class TarMember(ImageSource):
    """An image in a tar archive: a kind of source that cnncli does not have."""

    archive: Path
    member: str

    def open(self) -> BinaryIO:
        with tarfile.open(self.archive) as archive:
            content = archive.extractfile(self.member)
            assert content
            return io.BytesIO(content.read())

    def stamp(self) -> Stamp | None:
        with tarfile.open(self.archive) as archive:
            member = archive.getmember(self.member)
        return Stamp(member.size, int(member.mtime * 1e9))


def png(colour: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (40, 40), colour).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        for name, colour in (("a/1.png", "red"), ("b/2.png", "blue")):
            member = tarfile.TarInfo(name)
            content = png(colour)
            member.size, member.mtime = len(content), 1_700_000_000
            archive.addfile(member, io.BytesIO(content))
    return tmp_path / "photos.tar"


def test_a_new_kind_of_source_is_read_examined_and_recognised(archive: Path, tmp_path: Path) -> None:
    sources = [TarMember(f"{archive}/{name}", archive, name) for name in ("a/1.png", "b/2.png")]
    image = decode(sources[0], Decoding())
    assert isinstance(image, Image.Image)
    assert image.getpixel((0, 0)) == (255, 0, 0)
    assert sha256(sources[0]) == hashlib.sha256(png("red")).hexdigest()
    samples = tuple(
        Sample(source, label, split)
        for label, (source, split) in enumerate(zip(sources, Split, strict=False))
    )
    data = DataSet("photos", str(archive), ("a", "b"), samples)
    assert examine(data, max_pixels=10**6, workers=1).modes == {"RGB PNG": 2}
    write_tables(tmp_path, [splits_table(data)])
    assert list(match_splits(data, [tmp_path]).splits.values()) == [Split.TRAIN, Split.VAL]


def test_local_file(tmp_path: Path) -> None:
    file = tmp_path / "red.png"
    file.write_bytes(png("red"))
    source = LocalFile(str(file))
    with source.open() as stream:
        assert stream.read() == png("red")
    stamp = source.stamp()
    assert stamp
    assert (stamp.size, stamp.modified) == (len(png("red")), file.stat().st_mtime_ns)
    os.utime(file, (1, 1))
    later = source.stamp()
    assert later
    assert later.modified == 10**9
    assert later.changed > stamp.changed or os.name == "nt"
    assert sha256(source) == hashlib.sha256(png("red")).hexdigest()


@pytest.mark.parametrize("path", ["missing.png", "a\0b", ""])
def test_a_missing_local_file(path: str) -> None:
    assert LocalFile(path).stamp() is None
    assert sha256(LocalFile(path)) is None
    with pytest.raises((OSError, UnreadableError)):
        LocalFile(path).open()


@pytest.mark.skipif(os.sep != "/", reason="there a backslash separates folders")
def test_a_path_with_backslashes_is_explained(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png("red"))
    with pytest.raises(UnreadableError, match="there is one with / in place of each"):
        LocalFile(f"{tmp_path}\\a.png").open()
    with pytest.raises(FileNotFoundError):
        LocalFile(f"{tmp_path}\\b.png").open()


def test_in_memory() -> None:
    source = InMemory("-", b"content")
    with source.open() as stream:
        assert stream.read() == b"content"
    assert source.stamp() is None
    assert sha256(source) == hashlib.sha256(b"content").hexdigest()
    with pytest.raises(UnreadableError, match="empty"):
        InMemory("-", b"").open()
