"""Engines around an engine: smaller batches where memory is short, a second look at each image."""

from collections.abc import Sequence

import numpy as np

from cnncli.engines.engine import Engine, Outputs
from cnncli.errors import OutOfMemoryError
from cnncli.images.preprocess import Pixels


class Halving:
    """An engine that meets a full memory with smaller batches, and remembers which size went well."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._limit: int | None = None

    def __str__(self) -> str:
        """What computes."""
        return str(self._engine)

    @property
    def batch_size(self) -> int:
        """Images that the engine likes to have at a time."""
        return self._engine.batch_size

    def run(self, pixels: Pixels) -> Outputs:
        """Outputs of a batch (N, C, H, W) float32, computed in as many parts as the memory asks for.

        Raises:
            OutOfMemoryError: not even one image fits.
        """
        size = min(self._limit or len(pixels), len(pixels))
        while True:
            try:
                return _joined([self._engine.run(pixels[i : i + size]) for i in range(0, len(pixels), size)])
            except OutOfMemoryError:
                if size == 1:
                    raise
                size = self._limit = size // 2


class Mirrored:
    """An engine that looks at each image twice, as it is and mirrored left to right (`--tta`).

    The probabilities of both are averaged; the logits that come back are their logarithms.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __str__(self) -> str:
        """What computes, and that it does so twice."""
        return f"{self._engine}, each image twice"

    @property
    def batch_size(self) -> int:
        """Images that the engine likes to have at a time."""
        return self._engine.batch_size

    def run(self, pixels: Pixels) -> Outputs:
        """Outputs of a batch (N, C, H, W) float32: log of the mean probability, mean embedding."""
        seen = [self._engine.run(view) for view in (pixels, np.ascontiguousarray(pixels[..., ::-1]))]
        probabilities = np.mean([outputs.probabilities() for outputs in seen], axis=0, dtype=np.float32)
        smallest = np.finfo(np.float32).tiny
        return Outputs(
            logits=np.log(np.maximum(probabilities, smallest)),
            embeddings=np.mean([outputs.embeddings for outputs in seen], axis=0, dtype=np.float32),
        )


def _joined(parts: Sequence[Outputs]) -> Outputs:
    if len(parts) == 1:
        return parts[0]
    return Outputs(
        np.concatenate([part.logits for part in parts]), np.concatenate([part.embeddings for part in parts])
    )
