"""Engines that wrap another one: smaller batches if memory is short, averaging over a flipped copy."""

from collections.abc import Sequence

import numpy as np

from cnncli.engines.engine import Engine, Outputs
from cnncli.errors import OutOfMemoryError
from cnncli.images.preprocess import Pixels
from cnncli.logits import logits_of, probabilities


class RetryOnOom:
    """An engine that halves the batch when memory runs out, and remembers the size that fits."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._limit: int | None = None

    def __str__(self) -> str:
        """Name of the wrapped engine."""
        return str(self._engine)

    @property
    def batch_size(self) -> int:
        """Preferred number of images per batch."""
        return self._engine.batch_size

    def run(self, pixels: Pixels) -> Outputs:
        """Outputs of a batch (N, C, H, W) float32, computed in as many parts as memory requires.

        Raises:
            OutOfMemoryError: not even one image fits.
        """
        size = min(self._limit or len(pixels), len(pixels))
        while True:
            try:
                return _concatenate(
                    [self._engine.run(pixels[i : i + size]) for i in range(0, len(pixels), size)]
                )
            except OutOfMemoryError:
                if size == 1:
                    raise
                size = self._limit = size // 2


class FlipAverage:
    """Test-time augmentation (`--tta`): each image as it is and flipped left to right.

    Probabilities and embeddings of both are averaged; the logits returned are the logarithms of the mean probabilities.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __str__(self) -> str:
        """Name of the wrapped engine, and that it runs twice."""
        return f"{self._engine}, each image twice"

    @property
    def batch_size(self) -> int:
        """Preferred number of images per batch."""
        return self._engine.batch_size

    def run(self, pixels: Pixels) -> Outputs:
        """Outputs of a batch (N, C, H, W) float32: log of the mean probability, mean embedding."""
        both = [self._engine.run(view) for view in (pixels, np.ascontiguousarray(pixels[..., ::-1]))]
        shares = [probabilities(outputs.logits) for outputs in both]
        return Outputs(
            logits=logits_of(np.mean(shares, axis=0, dtype=np.float32)),
            embeddings=np.mean([outputs.embeddings for outputs in both], axis=0, dtype=np.float32),
        )


def _concatenate(parts: Sequence[Outputs]) -> Outputs:
    if len(parts) == 1:
        return parts[0]
    return Outputs(
        np.concatenate([part.logits for part in parts]), np.concatenate([part.embeddings for part in parts])
    )
