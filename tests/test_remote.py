"""Files in object stores: listed in order, read in pieces, written whole; what fails is tried again, within limits."""

from collections.abc import Iterator

import fsspec
import pytest

from cnncli import remote
from cnncli.errors import MissingPackageError, UsageError
from cnncli.text import is_url
from tests.remote_stores import Unreliable, stores


@pytest.fixture(autouse=True)
def known_stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(remote, "PAUSES", (0, 0, 0, 0))
    with stores():
        yield


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("s3://bucket/a.jpg", True),
        ("hf://datasets/a/b", True),
        ("C:/photos/a.jpg", False),
        ("C://photos", False),
        ("photos/a.jpg", False),
        ("a:b", False),
    ],
)
def test_urls_are_told_from_paths(word: str, *, expected: bool) -> None:
    assert is_url(word) is expected


def test_a_file_is_written_once_and_read_in_pieces() -> None:
    url = "memory://bucket/a/b.bin"
    remote.write(url, b"0123456789", overwrite=False)
    assert remote.exists(url)
    assert not remote.exists("memory://bucket/a/c.bin")
    assert remote.size(url) == 10
    assert remote.read(url) == b"0123456789"
    assert remote.read(url, 2, 5) == b"234"
    with pytest.raises(FileExistsError):
        remote.write(url, b"other", overwrite=False)
    remote.write(url, b"other", overwrite=True)
    assert remote.read(url) == b"other"


def test_a_stream_seeks_and_reads_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_CHUNK", 7)
    content = bytes(range(100))
    remote.write("memory://bucket/long.bin", content, overwrite=False)
    with remote.open_stream("memory://bucket/long.bin") as stream:
        assert stream.read() == content
        stream.seek(90)
        assert stream.read(20) == content[90:]
        stream.seek(3)
        assert stream.read(4) == content[3:7]


def test_a_listing_has_files_and_folders_in_order() -> None:
    for name in ("b.jpg", "a.jpg", "Z/deep/x.jpg", "c/y.jpg"):
        remote.write(f"memory://bucket/{name}", b"content", overwrite=False)
    files, folders = remote.listing("memory://bucket/")
    assert files == [
        remote.RemoteFile("memory://bucket/a.jpg", 7),
        remote.RemoteFile("memory://bucket/b.jpg", 7),
    ]
    assert folders == ["memory://bucket/Z", "memory://bucket/c"]
    assert remote.is_folder("memory://bucket/Z")
    assert not remote.is_folder("memory://bucket/a.jpg")
    with pytest.raises(FileNotFoundError, match="no such file"):
        remote.listing("memory://nothere")


def test_requests_that_fail_are_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    remote.write("unreliable://bucket/a", b"content", overwrite=False)
    monkeypatch.setattr(Unreliable, "period", 2)
    assert [remote.read("unreliable://bucket/a") for _ in range(5)] == [b"content"] * 5
    monkeypatch.setattr(Unreliable, "period", 1)
    with pytest.raises(OSError, match="the connection was reset"):
        remote.read("unreliable://bucket/a")


def test_a_missing_file_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSES", (3600,))
    with pytest.raises(FileNotFoundError) as caught:
        remote.read("memory://bucket/missing.jpg")
    assert caught.value.strerror == "no such file"


def test_a_store_that_never_answers_is_given_up() -> None:
    with pytest.raises(OSError, match=r"no answer within 0\.05 s"):
        remote._attempt(
            "hanging://bucket/a",
            lambda: fsspec.filesystem("hanging").cat_file("bucket/a"),
            seconds=0.05,
        )


def test_unknown_schemes_and_missing_packages() -> None:
    with pytest.raises(UsageError, match="no file system has the scheme nonsense://"):
        remote.require_file_system("nonsense://bucket")
    fsspec.register_implementation("absent", "absent_package.FileSystem", errtxt="install absent_package")
    with pytest.raises(
        MissingPackageError, match="absent:// needs the package fsspec: install absent_package"
    ):
        remote.require_file_system("absent://bucket")
