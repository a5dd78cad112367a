"""Decoded images in a file without a name."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cnncli.images.image_cache import ImageCache

Store = Callable[[Path, int], ImageCache]


@pytest.fixture
def store() -> Iterator[Callable[[Path, int], ImageCache]]:
    with contextlib.ExitStack() as stack:
        yield lambda folder, room: stack.enter_context(contextlib.closing(ImageCache(folder, room)))


def image(number: int, size: int = 10) -> np.ndarray:
    return np.full((size, size + number % 3, 3), number % 256, np.uint8)


def test_cached_images_are_returned_and_the_file_is_unnamed(store: Store, tmp_path: Path) -> None:
    cache = store(tmp_path / "pixels", 10**8)
    for number in range(500):
        cache.add(number, image(number, 40))
    assert os.listdir(tmp_path / "pixels") == []
    for number in range(500):
        actual = cache.find(number)
        assert actual is not None
        assert (actual == image(number, 40)).all()
        assert actual.shape == image(number, 40).shape
    assert cache.find(500) is None


def test_the_cache_does_not_exceed_its_size(store: Store, tmp_path: Path) -> None:
    cache = store(tmp_path, 1000)
    for number in range(10):
        cache.add(number, image(0))
    assert cache.bytes == 900
    assert [cache.find(number) is not None for number in range(10)] == [True] * 3 + [False] * 7


def test_an_unwritable_folder_disables_the_cache(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = store(tmp_path / "file", 10**6)
    cache.add(0, image(0))
    assert cache.find(0) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_disables_the_cache(store: Store, tmp_path: Path) -> None:
    cache = store(tmp_path, 10**6)
    cache.add(0, image(0))
    assert cache._file
    with cache._file, open("/dev/full", "wb", buffering=0) as full:
        cache._file = full
        cache.add(1, image(1))
    assert cache.find(1) is None
    assert cache.find(0) is not None
