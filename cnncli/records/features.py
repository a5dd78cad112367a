"""Embeddings: images as vectors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnncli.records.predictions import ImageSource, Unreadable

Vectors = NDArray[np.float32]
"""(D,) of one image, or (N, D) of several."""


@dataclass(frozen=True, slots=True)
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
