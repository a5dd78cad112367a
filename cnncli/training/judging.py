"""What a finished network says of labelled images: by the very path that `predict` takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnncli.engines.adapters import Halving
from cnncli.engines.engine import Outputs, usable_cores
from cnncli.images.decode import allow_pixels
from cnncli.images.loader import Reader, batches
from cnncli.networks.model_folder import ModelFolder
from cnncli.prepare import open_engine
from cnncli.records.data import Sample
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import Progress
from cnncli.records.running import Running


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said.

    Attributes:
        samples: N, those that could be read.
        logits: (N, K).
        unreadable: the others.
    """

    samples: tuple[Sample, ...]
    logits: NDArray[np.float32]
    unreadable: tuple[Unreadable, ...]

    @property
    def labels(self) -> NDArray[np.intp]:
        """(N,), the index of each image's class."""
        return np.array([sample.label for sample in self.samples], np.intp)

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(N, K)."""
        return Outputs(self.logits, self.logits).probabilities()


def judge(
    folder: ModelFolder,
    samples: Sequence[Sample],
    max_pixels: int,
    workers: int | None,
    progress: Progress,
    advance: Callable[[], None],
) -> Judged:
    """Show a network images.

    Args:
        folder: the network.
        samples: the images.
        max_pixels: larger ones are not decoded.
        workers: threads that decode; None for one a core.
        progress: hears what runs it, where that is not the usual.
        advance: is called once for each image.
    """
    allow_pixels(max_pixels)
    engine = Halving(open_engine(folder, Running(device="cpu"), progress))
    reader = Reader(folder.card.preprocessing, max_pixels)
    sources = (ImageSource(sample.path) for sample in samples)
    readable: list[Sample] = []
    unreadable: list[Unreadable] = []
    logits = [np.empty((0, folder.card.architecture.num_classes), np.float32)]
    place = iter(samples)
    for batch in batches(sources, reader, batch_size=engine.batch_size, workers=workers or usable_cores()):
        for entry in batch.entries:
            sample = next(place)
            if isinstance(entry, Unreadable):
                unreadable.append(entry)
            else:
                readable.append(sample)
            advance()
        if len(batch.pixels):
            logits.append(engine.run(batch.pixels).logits)
    return Judged(tuple(readable), np.concatenate(logits), tuple(unreadable))
