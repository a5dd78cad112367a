"""Images in tar archives: read in order or by name, never extracted; damage is told apart from the end."""

import io
import random
import tarfile
from pathlib import Path
from typing import BinaryIO

import pytest

from cnncli import remote
from cnncli.images import tar_archive
from cnncli.images.sources import ImageInput, image_source, listed_sources, sources
from cnncli.images.tar_archive import TarMember
from cnncli.records.predictions import ImageSource, Unreadable, UnreadableError
from tests.containers import described, png, write_tar
from tests.remote_stores import stores

RED, LIME = png("red"), png("lime", (5, 3))
MEMBERS = {
    "./a.png": RED,
    "a.cls": b"1",
    "deep/b.png": LIME,
    ".hidden/c.png": RED,
    "._a.png": b"macOS",
    "empty.png": b"",
}


def images(*names: object) -> list[ImageInput]:
    return list(sources(map(str, names)))


def content(source: ImageInput) -> bytes:
    assert isinstance(source, ImageSource)
    with source.open() as stream:
        return stream.read()


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tgz", ".TAR"])
def test_an_archive_gives_its_images_in_its_order(tmp_path: Path, ending: str) -> None:
    archive = write_tar(tmp_path / f"x{ending}", MEMBERS)
    found = images(archive)
    assert described(found) == [f"{archive}/a.png", f"{archive}/deep/b.png", f"{archive}/empty.png"]
    assert [content(found[0]), content(found[1])] == [RED, LIME]
    with pytest.raises(UnreadableError, match="an empty file"):
        content(found[2])


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_the_path_alone_leads_to_the_image_again(tmp_path: Path, ending: str) -> None:
    archive = write_tar(tmp_path / f"x{ending}", MEMBERS)
    again = image_source(f"{archive}/deep/b.png")
    assert again == images(archive)[1]
    assert content(again) == LIME
    stamp = again.stamp()
    assert stamp is not None
    assert stamp.size == len(LIME)
    missing = image_source(f"{archive}/nothere.png")
    assert missing.stamp() is None
    with pytest.raises(UnreadableError, match="no such file in the archive"):
        missing.open()


def test_a_changed_archive_is_read_again(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "x.tar", {"a.png": RED})
    again = image_source(f"{archive}/a.png")
    first = again.stamp()
    assert content(again) == RED
    write_tar(archive, {"before.png": RED, "a.png": LIME})
    assert content(again) == LIME
    assert again.stamp() != first


def test_folders_called_like_archives_are_folders(tmp_path: Path) -> None:
    folder = tmp_path / "photos.tar"
    folder.mkdir()
    (folder / "a.png").write_bytes(RED)
    (found,) = images(folder)
    assert not isinstance(found, TarMember)
    assert content(image_source(f"{folder}/a.png")) == RED


def test_nothing_outside_the_archive_is_read_and_the_rest_is_named(tmp_path: Path) -> None:
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as tar:
        for name, kind in [
            ("/etc/a.png", tarfile.REGTYPE),
            ("../b.png", tarfile.REGTYPE),
            ("x/../../c.png", tarfile.REGTYPE),
            ("link.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("device.png", tarfile.CHRTYPE),
            ("pipe.png", tarfile.FIFOTYPE),
            ("folder.png", tarfile.DIRTYPE),
        ]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    assert described(images(archive)) == [
        f"{archive}//etc/a.png: its name leads out of the archive",
        f"{archive}/../b.png: its name leads out of the archive",
        f"{archive}/x/../../c.png: its name leads out of the archive",
        f"{archive}/link.png: a link, not a file",
        f"{archive}/hard.png: a link, not a file",
        f"{archive}/device.png: a device, not a file",
        f"{archive}/pipe.png: a device, not a file",
    ]
    with pytest.raises(UnreadableError, match="no such file in the archive"):
        image_source(f"{archive}/../b.png").open()


def test_the_first_of_two_members_of_one_name_counts(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "x.tar", [("a.png", RED), ("./a.png", LIME)])
    first, second = images(archive)
    assert described([second]) == [f"{archive}/a.png: a second file of the same name in the archive"]
    assert content(first) == content(image_source(f"{archive}/a.png")) == RED


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_a_truncated_archive_gives_the_images_before_the_cut(tmp_path: Path, ending: str) -> None:
    noise = random.Random(0).randbytes(20_000)
    archive = write_tar(tmp_path / f"x{ending}", {"a.png": RED, "b.png": noise, "c.png": LIME})
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    found = images(archive)
    assert content(found[0]) == RED
    assert described(found[-1:]) == [
        f"{archive}: truncated, after {'2 images' if ending == '.tar' else '1 image'}"
    ]
    with pytest.raises(UnreadableError, match="no such file in the archive: truncated"):
        image_source(f"{archive}/c.png").open()


def test_other_damage_is_told(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "x.tar", {"a.png": RED, "b.png": LIME})
    whole = bytearray(archive.read_bytes())
    whole[1024:1100] = b"x" * 76  # the header of b.png
    archive.write_bytes(whole)
    reason = "a damaged archive: what follows is not the header of a file, after 1 image"
    assert described(images(archive))[1:] == [f"{archive}: {reason}"]
    archive.write_bytes(whole[:1024])
    reason = "truncated, or written without an end mark, after 1 image"
    assert described(images(archive))[1:] == [f"{archive}: {reason}"]
    archive.write_bytes(b"not an archive" * 100)
    (only,) = images(archive)
    assert isinstance(only, Unreadable)
    assert only.reason.startswith("not a tar archive")
    archive.write_bytes(b"")
    assert described(images(archive)) == [f"{archive}: not a tar archive: empty file"]
    gzipped = tmp_path / "x.tar.gz"
    gzipped.write_bytes(whole)
    (only,) = images(gzipped)
    assert isinstance(only, Unreadable)
    assert only.reason.startswith("a damaged archive: Not a gzipped file")
    assert described(images(tmp_path / "none.tar")) == [f"{tmp_path}/none.tar: no such file"]


def test_members_too_large_to_hold_are_read_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnncli.images.section.WHOLE", 10)
    monkeypatch.setattr(tar_archive, "WHOLE", 10)
    monkeypatch.setattr(tar_archive, "_HELD", 10)
    for ending in (".tar", ".tar.gz"):
        found = images(write_tar(tmp_path / f"x{ending}", {"a.png": RED, "b.png": LIME}))
        assert [content(entry) for entry in found] == [RED, LIME]
        assert isinstance(found[1], TarMember)
        assert found[1].content is None
        with found[1].open() as stream:
            assert stream.seek(-4, io.SEEK_END) == len(LIME) - 4
            assert stream.read(100) == LIME[-4:]


def test_a_remote_archive_is_read_once_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_tar(tmp_path / "x.tar", {f"{number:03}.png": RED for number in range(100)})
    requests: list[str] = []
    read = remote.read

    def counted(url: str, start: int | None = None, stop: int | None = None) -> bytes:
        requests.append(url)
        return read(url, start, stop)

    monkeypatch.setattr(remote, "read", counted)
    with stores():
        remote.write("memory://bucket/x.tar", archive.read_bytes(), overwrite=True)
        found = images("memory://bucket/x.tar")
        assert [content(entry) for entry in found] == [RED] * 100
        assert len(requests) == 1
        light = [entry.without_content() for entry in found if isinstance(entry, ImageSource)]
        assert [entry.is_remote for entry in (found[7], light[7]) if isinstance(entry, ImageSource)] == [
            False,
            True,
        ]
        assert content(light[7]) == RED  # by its place, with one request
        assert len(requests) == 2
        assert content(image_source("memory://bucket/x.tar/042.png")) == RED
        assert light[42] == image_source("memory://bucket/x.tar/042.png")


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_listed_members_of_remote_archives_are_read_in_one_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    names = [f"{number:03}.png" for number in range(30)]
    opened: list[str] = []
    open_archive = tar_archive._open_archive

    def counted(archive: str) -> BinaryIO:
        opened.append(archive)
        return open_archive(archive)

    monkeypatch.setattr(tar_archive, "_open_archive", counted)
    with stores():
        urls = [f"memory://listed/{name}{ending}" for name in "xy"]
        for url in urls:
            file = write_tar(tmp_path / f"z{ending}", {name: name.encode() for name in names})
            remote.write(url, file.read_bytes(), overwrite=True)
        paths = [f"{url}/{name}" for url in urls for name in names[5:]]
        found = listed_sources([*paths[:3], None, *paths[3:]])
        assert [content(entry) if entry else None for entry in found][:4] == [
            b"005.png",
            b"006.png",
            b"007.png",
            None,
        ]
        assert opened == urls
        backwards = [content(entry) for entry in listed_sources(reversed(paths)) if entry]
        assert backwards == [name.encode() for name in reversed(names[5:])] * 2


def test_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    import tracemalloc

    archive = write_tar(tmp_path / "x.tar.gz", {f"{number}.png": RED * 100 for number in range(300)})

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            for _ in zip(range(count), sources([str(archive)]), strict=False):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)
    assert peak(300) < 1.2 * peak(100)


@pytest.mark.slow  # it imports torch
def test_shards_of_webdataset(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "train-000.tar")) as sink:
        for number in range(3):
            sink.write({"__key__": f"{number:04}", "png": RED, "cls": number, "json": {"label": "red"}})
    found = images(tmp_path / "train-000.tar")
    assert described(found) == [f"{tmp_path}/train-000.tar/{number:04}.png" for number in range(3)]
    assert content(found[2]) == content(image_source(f"{tmp_path}/train-000.tar/0002.png")) == RED
