"""Batches through an engine to predictions: one record for each input, in input order.

Knows nothing of files or formats. A million images cost the memory of a few batches.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.engines.engine import Engine, Outputs, Pixels
from cnncli.errors import OutOfMemoryError
from cnncli.images.loader import Batch
from cnncli.records.predictions import UNKNOWN, Prediction, Record, Score, Unreadable

Probabilities = NDArray[np.float32]
"""(N, K) float32, each row adds up to one."""


def predict(
    engine: Engine,
    batches: Iterable[Batch],
    labels: Sequence[str],
    *,
    topk: int,
    threshold: float = 0.0,
) -> Iterator[Record]:
    """Name what is in each image.

    Args:
        engine: the network, ready to run.
        batches: of the images, from `images.loader.batches`.
        labels: what each class is called, in the order of the logits.
        topk: classes of a prediction, most probable first; no more than there are.
        threshold: a class less probable than this is called `unknown`.

    Yields:
        One record for each entry of the batches, in their order.
    """
    for batch in batches:
        scores = iter(_scores(engine, batch.pixels, labels, topk, threshold))
        for entry in batch.entries:
            yield entry if isinstance(entry, Unreadable) else Prediction(entry, next(scores))


def _scores(
    engine: Engine, pixels: Pixels, labels: Sequence[str], topk: int, threshold: float
) -> Iterator[tuple[Score, ...]]:
    if not len(pixels):
        return
    for row in softmax(engine.run(pixels).logits):
        yield tuple(
            Score(int(index), labels[index], float(row[index]))
            if row[index] >= threshold
            else Score(None, UNKNOWN, float(row[index]))
            for index in top_indices(row, topk)
        )


def softmax(logits: NDArray[np.float32]) -> Probabilities:
    """exp(x_k) / sum of exp(x_j), over each row of (N, K), shifted by the row's maximum so as not to overflow."""
    shifted: Probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def top_indices(row: Probabilities, topk: int) -> NDArray[np.intp]:
    """Indices of the largest values of (K,), largest first; of equals, the lower index first."""
    return np.argsort(-row, kind="stable")[:topk]


class Halving:
    """An engine that meets a full memory with smaller batches, and remembers which size went well."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._limit: int | None = None

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

    @property
    def batch_size(self) -> int:
        """Images that the engine likes to have at a time."""
        return self._engine.batch_size

    def run(self, pixels: Pixels) -> Outputs:
        """Outputs of a batch (N, C, H, W) float32: log of the mean probability, mean embedding."""
        seen = [self._engine.run(view) for view in (pixels, np.ascontiguousarray(pixels[..., ::-1]))]
        probabilities = np.mean([softmax(outputs.logits) for outputs in seen], axis=0, dtype=np.float32)
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
