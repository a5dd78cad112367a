"""Random views of images, for classifiers on features."""

import zlib

import numpy as np
from PIL import Image

from cnncli.dataclass import frozen_dataclass
from cnncli.images.augment import FEATURE_VIEWS, random_view
from cnncli.images.loader import ImageReader
from cnncli.images.preprocess import Pixels, normalize
from cnncli.records.predictions import ImageSource, Unreadable


@frozen_dataclass
class ViewReader:
    """Reads a random view of an image as pixels; the same image always gives the same view.

    Attributes:
        reader: reads the image.
        view: number of the view.
        seed: of the randomness.
    """

    reader: ImageReader
    view: int
    seed: int

    def __call__(self, source: ImageSource) -> Pixels | Unreadable:
        """Pixels (C, H, W) float32, or the reason why the image cannot be read."""
        return self.reader.apply(source, self._view)

    def _view(self, image: Image.Image) -> Pixels:
        rng = np.random.default_rng([self.seed, self.view, zlib.crc32(image.tobytes())])
        preprocessing = self.reader.preprocessing
        planes = np.asarray(image).reshape(image.height, image.width, -1)
        view = random_view(planes, preprocessing.size, FEATURE_VIEWS, rng)
        return normalize(
            Image.fromarray(view.squeeze(axis=2) if preprocessing.channels == 1 else view), preprocessing
        )
