"""Images on servers: folders in the order of a local walk, one request each, retries, and reasons for what stays unreachable."""

import threading
import time
from collections.abc import Iterator

import pytest

from cnncli import remote
from cnncli.images.loader import ImageReader, batches
from cnncli.images.preprocess import Pixels
from cnncli.images.remote_image import RemoteImage
from cnncli.images.sources import ImageInput, expand_ranges, image_source, sources
from cnncli.images.threads import REQUESTS
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.predictions import ImageSource, Unreadable, UnreadableError
from tests.containers import described, png
from tests.networks_for_tests import colour_preprocessing
from tests.remote_stores import Unreliable, stores

RED = png("red")


@pytest.fixture(autouse=True)
def known_stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(remote, "PAUSES", (0, 0, 0, 0))
    with stores():
        yield


def upload(*names: str, content: bytes = RED, scheme: str = "memory") -> None:
    for name in names:
        remote.write(f"{scheme}://{name}", content, overwrite=True)


def images(*words: str) -> list[ImageInput]:
    return list(sources(words))


def content(source: ImageInput) -> bytes:
    assert isinstance(source, ImageSource)
    with source.open() as stream:
        return stream.read()


def test_a_folder_is_walked_as_on_a_disk() -> None:
    upload("b/a.JPG", "b/z.png", "b/c/10.png", "b/c/2.png", "b/d/e/deep.webp", "b/notes.txt")
    upload("b/.git/no.png", "b/._a.jpg", "b/@eaDir/t.png")
    expected = ["a.JPG", "z.png", "c/10.png", "c/2.png", "d/e/deep.webp"]
    for word in ("memory://b/", "memory://b"):
        assert described(images(word)) == [f"memory://b/{name}" for name in expected]


def test_a_file_is_one_request_and_its_listing_is_its_stamp(monkeypatch: pytest.MonkeyPatch) -> None:
    upload("b/a.png")
    (listed,) = images("memory://b/")
    named = image_source("memory://b/a.png")
    assert isinstance(listed, RemoteImage)
    assert listed == named
    stamp = named.stamp()
    assert stamp == listed.stamp()
    assert stamp is not None
    assert stamp.size == len(RED)
    monkeypatch.setattr(remote, "info", lambda _: pytest.fail("asked the server"))
    assert content(listed) == content(named) == RED
    monkeypatch.undo()
    upload("b/a.png", content=png("blue"))
    assert named.stamp() != stamp


def test_patterns_and_ranges_are_expanded() -> None:
    upload("b/a1.png", "b/a2.png", "b/b1.png", "b/a3/x.png")
    assert described(images("memory://b/a*")) == [
        f"memory://b/{name}" for name in ("a1.png", "a2.png", "a3/x.png")
    ]
    assert described(images("memory://b/a{1..2}.png")) == ["memory://b/a1.png", "memory://b/a2.png"]
    assert described(images("memory://b/x*")) == ["memory://b/x*: no file matches this pattern"]


def test_ranges_keep_their_zeros() -> None:
    assert list(expand_ranges(["a-{08..11}.tar", "{2..0}-{1..2}", "x{1..y}"])) == [
        *(f"a-{number}.tar" for number in ("08", "09", "10", "11")),
        *("2-1", "2-2", "1-1", "1-2", "0-1", "0-2"),
        "x{1..y}",
    ]


def test_what_cannot_be_reached_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    upload("b/empty.png", content=b"")
    with pytest.raises(UnreadableError, match="an empty file"):
        content(image_source("memory://b/empty.png"))
    with pytest.raises(UnreadableError, match="an empty file"):
        content(images("memory://b/")[0])
    with pytest.raises(FileNotFoundError):
        content(image_source("memory://b/none.png"))
    with pytest.raises(UnreadableError, match="no file system has the scheme nowhere://"):
        content(image_source("nowhere://b/none.png"))
    upload("b/a.png", scheme="unreliable")
    monkeypatch.setattr(Unreliable, "period", 2)
    assert [content(image_source("unreliable://b/a.png")) for _ in range(4)] == [RED] * 4
    monkeypatch.setattr(Unreliable, "period", 1)
    with pytest.raises(OSError, match="the connection was reset"):
        content(image_source("unreliable://b/a.png"))


def test_a_folder_that_cannot_be_listed_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    upload("b/a.png", "b/c/d.png", "b/e/f.png")
    listing = remote.listing

    def failing(url: str) -> tuple[list[remote.RemoteFile], list[str]]:
        if url.endswith("/c"):
            raise PermissionError(13, "permission denied")
        return listing(url)

    monkeypatch.setattr(remote, "listing", failing)
    assert described(images("memory://b/")) == [
        "memory://b/a.png",
        "memory://b/c: permission denied",
        "memory://b/e/f.png",
    ]


def test_very_large_files_are_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnncli.images.remote_image.WHOLE", 10)
    upload("b/a.png")
    assert content(image_source("memory://b/a.png")) == content(images("memory://b/")[0]) == RED


def test_many_requests_overlap_in_order() -> None:
    together = threading.Barrier(REQUESTS, timeout=20)

    def read(source: ImageSource) -> Pixels | Unreadable:
        together.wait()  # as many as may wait at the same time
        return Unreadable(source.path, "read")

    urls = [f"memory://b/{number}.png" for number in range(2 * REQUESTS)]
    loaded = batches(map(image_source, urls), read, batch_size=REQUESTS, workers=1)
    assert [
        entry.path for batch in loaded for entry in batch.entries if isinstance(entry, Unreadable)
    ] == urls


def test_an_interrupt_does_not_wait_for_a_server_that_hangs() -> None:
    started = time.monotonic()
    read = ImageReader(colour_preprocessing(), MAX_PIXELS)
    sources_ = [image_source(f"hanging://b/{number}.png") for number in range(40)]

    def interrupted() -> Iterator[ImageSource]:
        yield from sources_
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(batches(interrupted(), read, batch_size=40, workers=2))
    assert time.monotonic() - started < remote.REQUEST_SECONDS / 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
