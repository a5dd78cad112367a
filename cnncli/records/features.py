"""Embeddings: images as vectors."""

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.records.predictions import ImageSource, Unreadable

Vectors = NDArray[np.float32]
"""(D,) of one image, or (N, D) of several."""


@frozen_dataclass
class ImageEmbedding:
    """An image and its embedding (D,)."""

    source: ImageSource
    vector: Vectors

    @property
    def path(self) -> str:
        """The path of the image."""
        return self.source.path


EmbeddingRecord = ImageEmbedding | Unreadable
"""The result for one input."""
