"""Images to predictions: one record for each input, in input order.

Knows nothing of formats. A million images cost the memory of a few batches.
"""

import contextlib
import dataclasses
import hashlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cnncli.engines.adapters import FlipAverage, RetryOnOom
from cnncli.engines.engine import Engine, usable_cores
from cnncli.errors import NotANumberError, UsageError
from cnncli.images.decode import MAX_PIXELS, allow_pixels
from cnncli.images.loader import Batch, Reader, batches
from cnncli.images.preprocess import Pixels
from cnncli.images.sources import Found
from cnncli.logits import probabilities, top_classes
from cnncli.networks.card import to_json
from cnncli.networks.labels import labels
from cnncli.networks.model_folder import ModelFolder
from cnncli.prepare import open_engine
from cnncli.records.engines import EngineOptions
from cnncli.records.networks import Compilation, ModelCard
from cnncli.records.predictions import UNKNOWN, LabelStyle, Prediction, Record, Score, Unreadable
from cnncli.records.progress import Progress
from cnncli.text import counted


@dataclass(frozen=True, slots=True)
class PredictSettings:
    """What is asked of a network, and how it is to work.

    Attributes:
        topk: classes of a prediction, most probable first.
        threshold: a class less probable than this is called `unknown`.
        label_style: what a class is called.
        tta: look at each image mirrored, too, and average.
        max_pixels: larger images are not decoded.
        exact_decode: decode every pixel of a large JPEG.
        running: engine, device, precision.
        batch_size: images at a time; None leaves it to the engine.
        workers: threads that decode; None is one a core.
    """

    topk: int = 5
    threshold: float = 0.0
    label_style: LabelStyle = LabelStyle.NAME
    tta: bool = False
    max_pixels: int = MAX_PIXELS
    exact_decode: bool = False
    running: EngineOptions = field(default_factory=EngineOptions)
    batch_size: int | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise UsageError(f"a threshold of {self.threshold} is no probability", "give one from 0 to 1")


class Predictor:
    """A prepared network that is ready to name what is in images."""

    def __init__(self, folder: ModelFolder, settings: PredictSettings, progress: Progress) -> None:
        """Open the network's engine.

        Raises:
            UsageError: a device, an engine or a label style that this network or machine does not have.
        """
        self._folder, self._settings = folder, settings
        self._labels = labels(folder.card, settings.label_style)
        self._engine: Engine = RetryOnOom(open_engine(folder, settings.running, progress))
        if settings.tta:
            self._engine = FlipAverage(self._engine)
        self._batch_size = settings.batch_size or self._engine.batch_size
        self._workers = settings.workers or usable_cores()
        allow_pixels(settings.max_pixels)

    def __str__(self) -> str:
        """Folder, engine, batch size and threads, for those who want to know."""
        return (
            f"{self._folder.path}: {self._engine}, {counted(self._batch_size, 'image')} at a time, "
            f"{counted(self._workers, 'decoding thread')}"
        )

    @property
    def card(self) -> ModelCard:
        """Of the network."""
        return self._folder.card

    @property
    def topk(self) -> int:
        """Classes of each prediction: as many as were asked for, or as there are."""
        return min(self._settings.topk, len(self._labels))

    def identity(self) -> Mapping[str, str | int | float | bool]:
        """Everything that the predictions depend on, apart from the images."""
        settings, card = self._settings, self._folder.card
        told = dataclasses.replace(card, files=(), versions=(), compilation=Compilation(None))
        return {
            "model": card.name,
            "card": hashlib.sha256(to_json(told).encode()).hexdigest(),
            "weights": self._folder.digest,
            "topk": self.topk,
            "threshold": settings.threshold,
            "label_style": settings.label_style,
            "tta": settings.tta,
            "precision": settings.running.precision,
            "max_pixels": settings.max_pixels,
            "exact_decode": settings.exact_decode,
        }

    def predict(self, found: Iterable[Found | None]) -> Generator[Record]:
        """One record for each input, in input order.

        Args:
            found: the inputs, as `images.sources` gives them.
        """
        settings, how = self._settings, self._folder.card.preprocessing
        read = Reader(how, settings.max_pixels, settings.exact_decode)
        loaded = batches(found, read, batch_size=self._batch_size, workers=self._workers)
        with contextlib.closing(loaded):
            yield from records(
                self._engine, loaded, self._labels, topk=self.topk, threshold=settings.threshold
            )


def records(
    engine: Engine,
    batches: Iterable[Batch],
    class_labels: Sequence[str],
    *,
    topk: int,
    threshold: float = 0.0,
) -> Generator[Record]:
    """Name what is in each image.

    Args:
        engine: the network, ready to run.
        batches: of the images, from `images.loader.batches`.
        class_labels: what each class is called, in the order of the logits.
        topk: classes of a prediction, most probable first; no more than there are.
        threshold: a class less probable than this is called `unknown`.

    Yields:
        One record for each entry of the batches, in their order.

    Raises:
        NotANumberError: the network's answer to some image overflows.
    """
    for batch in batches:
        scores = iter(_scores(engine, batch.pixels, class_labels, topk, threshold))
        for entry in batch.entries:
            yield entry if isinstance(entry, Unreadable) else Prediction(entry, next(scores))


def _scores(
    engine: Engine, pixels: Pixels, class_labels: Sequence[str], topk: int, threshold: float
) -> Iterator[tuple[Score, ...]]:
    if not len(pixels):
        return
    shares = probabilities(engine.run(pixels).logits)
    if not np.isfinite(shares).all():
        raise NotANumberError(
            "the network answers with values that are no numbers",
            "try --precision fp32 or bf16, whose range is wider than that of fp16",
        )
    for row, best in zip(shares, top_classes(shares, topk), strict=True):
        yield tuple(
            Score(int(index), class_labels[index], float(row[index]))
            if row[index] >= threshold
            else Score(None, UNKNOWN, float(row[index]))
            for index in best
        )
