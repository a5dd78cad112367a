"""Decoding and preprocessing in threads, ahead of the engine, in order, in bounded memory.

Pillow and NumPy let go of the interpreter's lock while they work, so threads are enough. At any moment
no more than two batches are decoded or in the making; failures travel along in their places.
"""

import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cnncli.images.augment import FEATURE_VIEWS, random_view
from cnncli.images.decode import Decoding, decode
from cnncli.images.preprocess import Pixels, normalized, preprocess, resized_size
from cnncli.images.sources import Found
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.networks import Preprocessing
from cnncli.records.predictions import ImageSource, Unreadable

_Waiting = deque[tuple[Found, "Future[Pixels | Unreadable] | None"]]
"""Inputs under way, in order; those that led nowhere have nothing to wait for."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A few inputs in a row.

    Attributes:
        entries: in input order; an `ImageSource` has pixels, an `Unreadable` has none.
        pixels: (N, C, H, W) float32, one image for each `ImageSource` among the entries.
    """

    entries: tuple[Found, ...]
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class Reader:
    """From a source to a network's pixels: the one path that every command takes.

    Attributes:
        preprocessing: what the network was trained to see.
        max_pixels: the largest image that is decoded.
        exact: decode every pixel of a large JPEG.
    """

    preprocessing: Preprocessing
    max_pixels: int
    exact: bool = False

    def __call__(self, source: ImageSource) -> Pixels | Unreadable:
        """Planes (C, H, W) float32, or why there are none."""
        image = self.image(source)
        return image if isinstance(image, Unreadable) else preprocess(image, self.preprocessing)

    def image(self, source: ImageSource) -> Image.Image | Unreadable:
        """The image in the mode that the network takes, or why there is none."""
        resized = None if self.exact else self._resized_size
        image = decode(source, Decoding(self.preprocessing.channels, self.max_pixels, resized))
        if isinstance(image, Unreadable):
            return image
        width, height = self._resized_size(image.size)
        if width * height > MAX_PIXELS:
            shape = f"{image.width} x {image.height}"
            return Unreadable(
                source.path, f"so narrow ({shape}) that resizing it would make {width * height:,} pixels"
            )
        return image

    def _resized_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return resized_size(size, self.preprocessing)


@dataclass(frozen=True, slots=True)
class ViewReader:
    """From a source to the pixels of a random view of it: the same one for the same image each time.

    Attributes:
        reader: how the image is read.
        view: which one of its views.
        seed: of chance.
    """

    reader: Reader
    view: int
    seed: int

    def __call__(self, source: ImageSource) -> Pixels | Unreadable:
        """Planes (C, H, W) float32, or why there are none."""
        image = self.reader.image(source)
        if isinstance(image, Unreadable):
            return image
        draws = np.random.default_rng([self.seed, self.view, zlib.crc32(image.tobytes())])
        how = self.reader.preprocessing
        planes = np.asarray(image).reshape(image.height, image.width, -1)
        view = random_view(planes, how.size, FEATURE_VIEWS, draws)
        return normalized(Image.fromarray(view.squeeze(axis=2) if how.channels == 1 else view), how)


def batches(
    found: Iterable[Found | None],
    read: Callable[[ImageSource], Pixels | Unreadable],
    *,
    batch_size: int,
    workers: int,
) -> Generator[Batch]:
    """The inputs in batches, the next one in the making while the last one is used.

    Args:
        found: the inputs in order; None says that the next one may be long in coming, so whatever waits
            is handed out as it is.
        read: turns one source into pixels; called in `workers` threads.
        batch_size: entries of a batch, readable or not; the last may be smaller.
        workers: threads that decode.

    Closing the generator (an interrupt does) cancels what has not begun and leaves no thread behind.
    """
    waiting: _Waiting = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        for entry in found:
            if entry is None:
                yield from _flushed(waiting, batch_size)
                continue
            waiting.append((entry, pool.submit(read, entry) if isinstance(entry, ImageSource) else None))
            if len(waiting) >= 2 * batch_size:
                yield _batch(waiting, batch_size)
        yield from _flushed(waiting, batch_size)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _flushed(waiting: _Waiting, batch_size: int) -> Iterator[Batch]:
    while waiting:
        yield _batch(waiting, batch_size)


def _batch(waiting: _Waiting, batch_size: int) -> Batch:
    """The next entries in order, waiting for those still in the making."""
    entries: list[Found] = []
    pixels: list[Pixels] = []
    for _ in range(min(batch_size, len(waiting))):
        entry, loading = waiting.popleft()
        loaded = loading.result() if loading else None
        if isinstance(loaded, Unreadable):
            entry = loaded
        elif loaded is not None:
            pixels.append(loaded)
        entries.append(entry)
    return Batch(tuple(entries), np.stack(pixels) if pixels else np.empty((0, 0, 0, 0), np.float32))
