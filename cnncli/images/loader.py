"""Decoding and preprocessing in threads, ahead of the engine, in order, in bounded memory.

Pillow and NumPy release the interpreter lock while they work, so threads are enough. At most two batches are
decoded or being decoded at a time. Unreadable images keep their position.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import Image

from cnncli.dataclass import frozen_dataclass
from cnncli.images.decode import Decoding, with_image
from cnncli.images.preprocess import Pixels, preprocess, size_after_resize
from cnncli.images.sources import ImageInput
from cnncli.images.threads import REQUESTS, reading_pool
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.networks import Preprocessing
from cnncli.records.predictions import ImageSource, Unreadable

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

_Waiting = deque[tuple[ImageInput, "Future[Pixels | Unreadable] | None"]]
"""Inputs that are being read, in order; an input that is already known to be unreadable has no future."""


@frozen_dataclass
class InputBatch:
    """Consecutive inputs.

    Attributes:
        entries: in input order; only an `ImageSource` has pixels.
        pixels: (N, C, H, W) float32, one image for each `ImageSource` among the entries.
    """

    entries: tuple[ImageInput, ...]
    pixels: Pixels


@frozen_dataclass
class ImageReader:
    """Reads an image as pixels for a network; every command reads its images this way.

    Attributes:
        preprocessing: as the network was trained with.
        max_pixels: larger images are not decoded.
        exact: decode every pixel of a large JPEG.
    """

    preprocessing: Preprocessing
    max_pixels: int
    exact: bool = False

    def __call__(self, source: ImageSource) -> Pixels | Unreadable:
        """Pixels (C, H, W) float32, or the reason why the image cannot be read."""
        return self.apply(source, lambda image: preprocess(image, self.preprocessing))

    def image(self, source: ImageSource) -> Image.Image | Unreadable:
        """The image in the mode that the network expects, or the reason why it cannot be read."""
        return self.apply(source, lambda image: image)

    def apply(self, source: ImageSource, use: Callable[[Image.Image], T]) -> T | Unreadable:
        """What a function makes of the image, or the reason why it cannot be read; for threads rather than `image`."""

        def use_unless_narrow(image: Image.Image) -> T | Unreadable:
            width, height = self._size_after_resize(image.size)
            if width * height <= MAX_PIXELS:
                return use(image)
            shape = f"{image.width} x {image.height}"
            return Unreadable(
                source.path, f"so narrow ({shape}) that resizing it would make {width * height:,} pixels"
            )

        target_size = None if self.exact else self._size_after_resize
        decoding = Decoding(self.preprocessing.channels, self.max_pixels, target_size)
        return with_image(source, decoding, use_unless_narrow)

    def _size_after_resize(self, size: tuple[int, int]) -> tuple[int, int]:
        return size_after_resize(size, self.preprocessing)


def batches(
    inputs: Iterable[ImageInput | None],
    read: Callable[[ImageSource], Pixels | Unreadable],
    *,
    batch_size: int,
    workers: int,
) -> Generator[InputBatch]:
    """The inputs in batches; the next batch is decoded while the current one is used.

    Args:
        inputs: in order; None means that the next input may take long, so that the current batch is yielded early.
        read: reads the pixels of a source; called in `workers` threads.
        batch_size: entries per batch, readable or not; the last batch may be smaller.
        workers: number of threads; images on a server, which have to be waited for, have `REQUESTS` of their own.

    Closing the generator, as an interrupt does, cancels all images that are not being decoded yet and ends the threads.
    """
    waiting: _Waiting = deque()
    with (
        reading_pool(workers, "decode") as local,
        reading_pool(max(workers, REQUESTS), "decode-remote") as remote,
    ):
        for entry in inputs:
            if entry is None:
                yield from _flush(waiting, batch_size)
            elif isinstance(entry, ImageSource):
                loading = (remote if entry.is_remote else local).submit(read, entry)
                waiting.append((entry.without_content(), loading))
            else:
                waiting.append((entry, None))
            if len(waiting) >= 2 * batch_size:
                yield _next_batch(waiting, batch_size)
        yield from _flush(waiting, batch_size)


def _flush(waiting: _Waiting, batch_size: int) -> Iterator[InputBatch]:
    while waiting:
        yield _next_batch(waiting, batch_size)


def _next_batch(waiting: _Waiting, batch_size: int) -> InputBatch:
    """The next entries in order; waits for those that are still being read."""
    entries: list[ImageInput] = []
    pixels: list[Pixels] = []
    for _ in range(min(batch_size, len(waiting))):
        entry, loading = waiting.popleft()
        loaded = loading.result() if loading else None
        if isinstance(loaded, Unreadable):
            entry = loaded
        elif loaded is not None:
            pixels.append(loaded)
        entries.append(entry)
    return InputBatch(tuple(entries), np.stack(pixels) if pixels else np.empty((0, 0, 0, 0), np.float32))
