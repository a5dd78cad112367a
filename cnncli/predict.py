"""Batches through an engine to predictions: one record for each input, in input order.

Knows nothing of files or formats. A million images cost the memory of a few batches.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.engines.engine import Engine, Pixels
from cnncli.images.loader import Batch
from cnncli.records.predictions import UNKNOWN, Prediction, Record, Score, Unreadable


def predict(
    engine: Engine,
    batches: Iterable[Batch],
    labels: Sequence[str],
    *,
    topk: int,
    threshold: float = 0.0,
) -> Generator[Record]:
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
    for row in engine.run(pixels).probabilities():
        yield tuple(
            Score(int(index), labels[index], float(row[index]))
            if row[index] >= threshold
            else Score(None, UNKNOWN, float(row[index]))
            for index in top_indices(row, topk)
        )


def top_indices(row: NDArray[np.float32], topk: int) -> NDArray[np.intp]:
    """Indices of the largest values of (K,), largest first; of equals, the lower index first."""
    return np.argsort(-row, kind="stable")[:topk]
