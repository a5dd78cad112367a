"""Images on their way into a training: decoded once if there is room, seen each time as another view."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnncli.images import augment
from cnncli.images.augment import Resize, random_view
from cnncli.images.image_cache import ImageCache, Planes
from cnncli.images.loader import Reader
from cnncli.images.preprocess import FILTERS, center_crop, resize
from cnncli.records.augmentation import Augmentation
from cnncli.records.data import Sample
from cnncli.records.predictions import Unreadable
from cnncli.training.network import rng as draws
from cnncli.training.network.rng import Indices

_MOST_ENLARGED = 2.0
"""How much larger than a view an image is kept at most."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Images of a batch.

    Attributes:
        numbers: (N,), those that could be read.
        pixels: (N, H, W, C) uint8.
        unreadable: the others, by number.
    """

    numbers: Indices
    pixels: NDArray[np.uint8]
    unreadable: dict[int, Unreadable]


class ImageStore:
    """The images of a split of the data, read and kept as far as there is room; safe to use from several threads."""

    def __init__(
        self,
        samples: Sequence[Sample],
        reader: Reader,
        kept: ImageCache,
        shrink: Callable[[Image.Image], Image.Image],
    ) -> None:
        """Nothing is read yet.

        Args:
            samples: N images.
            reader: from a file to an image in the network's mode.
            kept: where they are kept.
            shrink: what is done to an image before it is kept.
        """
        self._samples, self._reader, self._kept, self._shrink = samples, reader, kept, shrink
        self._unreadable: dict[int, Unreadable] = {}

    def close(self) -> None:
        """Keep no more images."""
        self._kept.close()

    def read(self, number: int) -> Planes | Unreadable:
        """An image (H, W, C)."""
        kept = self._kept.find(number)
        if kept is not None:
            return kept
        if number in self._unreadable:
            return self._unreadable[number]
        image = self._reader.image(self._samples[number].source)
        if isinstance(image, Unreadable):
            self._unreadable[number] = image
            return image
        planes = np.asarray(self._shrink(image))
        planes = planes if planes.ndim == 3 else planes[:, :, np.newaxis]  # noqa: PLR2004 - (H, W, C)
        self._kept.keep(number, planes)
        return planes


def for_training(
    samples: Sequence[Sample], reader: Reader, kept: ImageCache, how: Augmentation
) -> ImageStore:
    """Images to take random views of, kept no larger than the smallest crop asks for."""
    height, width = reader.preprocessing.size
    factor = min(1 / how.scale[0] ** 0.5, _MOST_ENLARGED)

    def shrink(image: Image.Image) -> Image.Image:
        ratio = min(image.width / (width * factor), image.height / (height * factor))
        if ratio <= 1:
            return image
        smaller = (max(round(image.width / ratio), 1), max(round(image.height / ratio), 1))
        return image.resize(smaller, FILTERS[reader.preprocessing.interpolation], reducing_gap=2.0)

    return ImageStore(samples, reader, kept, shrink)


def for_validation(samples: Sequence[Sample], reader: Reader, kept: ImageCache) -> ImageStore:
    """Images as predicting sees them: resized and cropped, only not yet made numbers for the network."""
    how = reader.preprocessing
    return ImageStore(samples, reader, kept, lambda image: center_crop(resize(image, how), how))


@dataclass(frozen=True, slots=True)
class RandomViews:
    """A function from an image's number to its view in one epoch, at a size of (height, width) in pixels."""

    pictures: ImageStore
    size: tuple[int, int]
    how: Augmentation
    seed: int
    epoch: int
    resize: Resize = augment.resize_planes

    def __call__(self, number: int) -> Planes | Unreadable:
        """(H, W, C)."""
        planes = self.pictures.read(number)
        if isinstance(planes, Unreadable):
            return planes
        chance = draws.of_view(self.seed, self.epoch, number)
        return random_view(planes, self.size, self.how, chance, self.resize)


def in_batches(
    numbers: Sequence[Indices], view: Callable[[int], Planes | Unreadable], workers: int
) -> Generator[Batch]:
    """Batches of views in order, the next two in the making while one is used.

    Args:
        numbers: of the images of each batch.
        view: an image as the network is to see it; called in `workers` threads.
        workers: threads.
    """
    waiting: deque[tuple[Indices, list[Future[list[Planes | Unreadable]]]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="view")

    def some(part: Indices) -> list[Planes | Unreadable]:
        return [view(int(number)) for number in part]

    try:
        for batch in numbers:
            # A task for each thread, and not for each image: handing over small ones costs as much as doing them.
            parts = np.array_split(batch, min(workers * 2, max(len(batch), 1)))
            waiting.append((batch, [pool.submit(some, part) for part in parts]))
            if len(waiting) > _AHEAD:
                yield _together(*waiting.popleft())
        while waiting:
            yield _together(*waiting.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_AHEAD = 2


def _together(numbers: Indices, making: Sequence[Future[list[Planes | Unreadable]]]) -> Batch:
    made = [view for part in making for view in part.result()]
    unreadable = {
        int(number): view for number, view in zip(numbers, made, strict=True) if isinstance(view, Unreadable)
    }
    pixels = [view for view in made if not isinstance(view, Unreadable)]
    readable = np.array([number for number in numbers if int(number) not in unreadable], np.intp)
    return Batch(readable, np.stack(pixels) if pixels else np.empty((0, 0, 0, 0), np.uint8), unreadable)
