"""Order, bounds and endings of the threads that feed an engine."""

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnncli.images.in_memory import InMemory
from cnncli.images.loader import ImageReader, batches
from cnncli.images.local_file import LocalFile
from cnncli.images.preprocess import Pixels
from cnncli.images.sources import sources
from cnncli.images.tar_archive import TarMember
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.predictions import ImageSource, Unreadable
from tests.containers import png, write_tar
from tests.networks_for_tests import colour_preprocessing


def numbered(count: int) -> Iterator[ImageSource]:
    return (LocalFile(str(i)) for i in range(count))


def read_number(source: ImageSource) -> Pixels | Unreadable:
    """Pixels that hold the number in the path; every seventh cannot be read."""
    number = int(source.path)
    time.sleep(random.random() / 2000)
    if number % 7 == 3:
        return Unreadable(source.path, "seventh")
    return np.full((1, 2, 2), number, np.float32)


@given(st.integers(0, 60), st.integers(1, 9), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_every_input_appears_once_in_order_with_its_own_pixels(
    count: int, batch_size: int, workers: int
) -> None:
    seen = []
    for batch in batches(numbered(count), read_number, batch_size=batch_size, workers=workers):
        assert 1 <= len(batch.entries) <= batch_size
        rows = iter(batch.pixels)
        for entry in batch.entries:
            if isinstance(entry, Unreadable):
                assert int(entry.path) % 7 == 3
                seen.append(int(entry.path))
            else:
                assert next(rows)[0, 0, 0] == int(entry.path)
                seen.append(int(entry.path))
        assert next(rows, None) is None
    assert seen == list(range(count))


def test_missing_files_keep_their_position() -> None:
    gone = Unreadable("gone", "no")
    actual: list[ImageSource | Unreadable] = [LocalFile("1"), gone, LocalFile("2")]
    (batch,) = batches(actual, read_number, batch_size=8, workers=2)
    assert batch.entries == tuple(actual)
    assert batch.pixels.shape == (2, 1, 2, 2)


def test_a_batch_without_a_single_image() -> None:
    (batch,) = batches([LocalFile("3")], read_number, batch_size=8, workers=2)
    assert len(batch.entries) == 1
    assert len(batch.pixels) == 0


def test_at_most_two_batches_are_in_flight() -> None:
    begun = 0

    def endless() -> Iterator[ImageSource]:
        nonlocal begun
        for begun in itertools.count(1):  # noqa: B007 - counted for the assertion
            yield LocalFile("1")

    loader = batches(endless(), read_number, batch_size=4, workers=2)
    for number in range(1, 20):
        next(loader)
        assert begun <= 4 * number + 4
    loader.close()


def test_a_pause_yields_the_images_so_far() -> None:
    actual = iter([LocalFile("1"), LocalFile("2"), None, LocalFile("4"), None, None, LocalFile("5")])
    sizes = [len(batch.entries) for batch in batches(actual, read_number, batch_size=8, workers=2)]
    assert sizes == [2, 1, 1]


def decoding_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def slow(source: ImageSource) -> Pixels | Unreadable:
    time.sleep(0.05)
    return read_number(source)


@pytest.mark.parametrize("is_engine", [True, False], ids=["while the engine runs", "while inputs are listed"])
def test_an_interrupt_stops_all_threads(*, is_engine: bool) -> None:
    def listed() -> Iterator[ImageSource]:
        yield from numbered(890)
        if not is_engine:
            raise KeyboardInterrupt
        yield from numbered(10)

    started = time.perf_counter()
    loader = batches(listed(), slow, batch_size=4 if is_engine else 450, workers=2)
    with pytest.raises(KeyboardInterrupt), contextlib.closing(loader):
        next(loader)
        raise KeyboardInterrupt
    assert not decoding_threads()
    assert time.perf_counter() - started < 11  # half of what 900 images of 50 ms take two threads


def test_a_bug_while_reading_is_not_hidden() -> None:
    def broken(_: ImageSource) -> Pixels | Unreadable:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(batches(numbered(3), broken, batch_size=2, workers=2))
    assert not decoding_threads()


def test_an_extreme_aspect_ratio_is_reported() -> None:
    import dataclasses
    import io

    from cnncli.records.networks import Resize

    file = io.BytesIO()
    Image.new("RGB", (1, 60_000)).save(file, "PNG")
    preprocessing = dataclasses.replace(colour_preprocessing(), resize_mode=Resize.SHORTER, resize=(256, 256))
    actual = ImageReader(preprocessing, MAX_PIXELS)(InMemory("sliver", file.getvalue()))
    assert isinstance(actual, Unreadable)
    assert "so narrow (1 x 60000)" in actual.reason


def test_entries_of_batches_hold_no_bytes(tmp_path: Path) -> None:
    """Archives that are read in order hold the bytes of images; what is kept of a million images does not."""
    archive = write_tar(tmp_path / "x.tar.gz", {f"{number}.png": png("red") for number in range(10)})
    read = ImageReader(colour_preprocessing(), MAX_PIXELS)
    entries = [
        entry
        for batch in batches(sources([str(archive)]), read, batch_size=4, workers=2)
        for entry in batch.entries
    ]
    assert [entry.content for entry in entries if isinstance(entry, TarMember)] == [None] * 10
