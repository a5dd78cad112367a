"""Training and validation images in batches: decoded once if the cache has room, augmented anew each time."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnncli.dataclass import frozen_dataclass
from cnncli.images import augment
from cnncli.images.augment import ResizeFunction, random_view
from cnncli.images.image_cache import ImageCache, Planes
from cnncli.images.loader import ImageReader
from cnncli.images.preprocess import FILTERS, center_crop, resize
from cnncli.images.threads import reading_pool
from cnncli.records.augmentation import Augmentation
from cnncli.records.data import Sample
from cnncli.records.predictions import Unreadable
from cnncli.training.network import rng
from cnncli.training.network.rng import Indices

_LARGEST_FACTOR = 2.0
"""Largest size of a cached image, as a multiple of the network's input size."""


@frozen_dataclass
class Batch:
    """The images of a batch.

    Attributes:
        numbers: (N,), numbers of the images that could be read.
        pixels: (N, H, W, C) uint8.
        unreadable: the others, by number.
    """

    numbers: Indices
    pixels: NDArray[np.uint8]
    unreadable: dict[int, Unreadable]

    def with_at_least(self, images: int) -> "Batch":
        """The batch, or one without images if it has fewer than that."""
        if len(self.numbers) >= images:
            return self
        return Batch(self.numbers[:0], np.empty((0, 0, 0, 0), np.uint8), self.unreadable)


class ImageStore:
    """The images of a split, each decoded once while the cache has room; safe to use from several threads."""

    def __init__(
        self,
        samples: Sequence[Sample],
        reader: ImageReader,
        cache: ImageCache,
        shrink: Callable[[Image.Image], Image.Image],
    ) -> None:
        """Nothing is read yet.

        Args:
            samples: N images.
            reader: decodes a file to an image in the network's mode.
            cache: decoded images.
            shrink: makes an image smaller before it is cached.
        """
        self._samples, self._reader, self._cache, self._shrink = samples, reader, cache, shrink
        self._unreadable: dict[int, Unreadable] = {}

    def close(self) -> None:
        """Free the cache."""
        self._cache.close()

    def read(self, number: int) -> Planes | Unreadable:
        """An image (H, W, C)."""
        cached = self._cache.find(number)
        if cached is not None:
            return cached
        if number in self._unreadable:
            return self._unreadable[number]
        image = self._reader.apply(self._samples[number].source, self._shrink)
        if isinstance(image, Unreadable):
            self._unreadable[number] = image
            return image
        planes = np.asarray(image)
        planes = planes if planes.ndim == 3 else planes[:, :, np.newaxis]  # noqa: PLR2004 - (H, W, C)
        self._cache.add(number, planes)
        return planes


def for_training(
    samples: Sequence[Sample], reader: ImageReader, cache: ImageCache, augmentation: Augmentation
) -> ImageStore:
    """Images to take random crops of, cached no larger than the smallest crop needs."""
    height, width = reader.preprocessing.size
    factor = min(1 / augmentation.scale[0] ** 0.5, _LARGEST_FACTOR)

    def shrink(image: Image.Image) -> Image.Image:
        ratio = min(image.width / (width * factor), image.height / (height * factor))
        if ratio <= 1:
            return image
        smaller = (max(round(image.width / ratio), 1), max(round(image.height / ratio), 1))
        return image.resize(smaller, FILTERS[reader.preprocessing.interpolation], reducing_gap=2.0)

    return ImageStore(samples, reader, cache, shrink)


def for_validation(samples: Sequence[Sample], reader: ImageReader, cache: ImageCache) -> ImageStore:
    """Images as in prediction: resized and cropped, not yet normalised."""
    preprocessing = reader.preprocessing
    return ImageStore(
        samples, reader, cache, lambda image: center_crop(resize(image, preprocessing), preprocessing)
    )


@frozen_dataclass
class RandomViews:
    """Augmented images of one epoch, by number.

    Attributes:
        images: the images to augment.
        size: (height, width) in pixels.
        augmentation: the random changes.
        seed: the run's random seed.
        epoch: number of the epoch, from 0.
        resize: how crops are resized.
    """

    images: ImageStore
    size: tuple[int, int]
    augmentation: Augmentation
    seed: int
    epoch: int
    resize: ResizeFunction = augment.resize_planes

    def __call__(self, number: int) -> Planes | Unreadable:
        """The augmented image (H, W, C)."""
        planes = self.images.read(number)
        if isinstance(planes, Unreadable):
            return planes
        generator = rng.view_generator(self.seed, self.epoch, number)
        return random_view(planes, self.size, self.augmentation, generator, self.resize)


def iterate_batches(
    numbers: Sequence[Indices], view: Callable[[int], Planes | Unreadable], workers: int
) -> Generator[Batch]:
    """Batches in order; the next two are prepared while one is used.

    Args:
        numbers: numbers of the images of each batch.
        view: returns an image (H, W, C) as the network sees it; called in several threads.
        workers: number of threads.
    """
    waiting: deque[tuple[Indices, list[Future[list[Planes | Unreadable]]]]] = deque()

    def load(part: Indices) -> list[Planes | Unreadable]:
        return [view(int(number)) for number in part]

    with reading_pool(workers, "view") as pool:
        for batch in numbers:
            # One task per thread, not per image: handing over small tasks costs as much as doing them.
            parts = np.array_split(batch, min(workers * 2, max(len(batch), 1)))
            waiting.append((batch, [pool.submit(load, part) for part in parts]))
            if len(waiting) > _AHEAD:
                yield _collect(*waiting.popleft())
        while waiting:
            yield _collect(*waiting.popleft())


_AHEAD = 2
"""Batches that are prepared in advance."""


def _collect(numbers: Indices, futures: Sequence[Future[list[Planes | Unreadable]]]) -> Batch:
    views = [view for future in futures for view in future.result()]
    unreadable = {
        int(number): view for number, view in zip(numbers, views, strict=True) if isinstance(view, Unreadable)
    }
    pixels = [view for view in views if not isinstance(view, Unreadable)]
    readable = np.array([number for number in numbers if int(number) not in unreadable], np.intp)
    return Batch(readable, np.stack(pixels) if pixels else np.empty((0, 0, 0, 0), np.uint8), unreadable)
