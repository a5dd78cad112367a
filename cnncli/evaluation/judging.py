"""What a network says of labelled images: by the very path that `predict` takes, in the memory of a few batches."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnncli.engines.adapters import FlipAverage, RetryOnOom
from cnncli.engines.engine import Engine, usable_cores
from cnncli.errors import NotANumberError
from cnncli.images.decode import MAX_PIXELS, allow_pixels
from cnncli.images.loader import Batch, Reader, batches
from cnncli.images.preprocess import Pixels
from cnncli.logits import probabilities, top_classes
from cnncli.networks.model_folder import ModelFolder
from cnncli.prepare import open_engine
from cnncli.records.data import Sample
from cnncli.records.engines import EngineOptions
from cnncli.records.evaluation import Answer
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress

_TOLD = 5
"""Classes of an answer."""


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """How networks are shown images.

    Attributes:
        max_pixels: larger images are not decoded.
        exact_decode: decode every pixel of a large JPEG.
        tta: look at each image mirrored, too, and average.
        running: engine, device, precision.
        batch_size: images at a time; None leaves it to the engine.
        workers: threads that decode; None is one a core.
    """

    max_pixels: int = MAX_PIXELS
    exact_decode: bool = False
    tta: bool = False
    running: EngineOptions = field(default_factory=EngineOptions)
    batch_size: int | None = None
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Juror:
    """A network whose probabilities are asked for.

    Attributes:
        folder: the network.
        groups: (K,), for each of its classes the index of the class that it counts as; below zero it does not count at
            all. None where they are the classes that are asked for, in their order.
    """

    folder: ModelFolder
    groups: NDArray[np.intp] | None = None

    def merged(self, shares: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, G), of (N, K): classes that count as one added up, the sum of all that count being 1."""
        if self.groups is None:
            return shares
        counted = self.groups >= 0
        merged = np.zeros((len(shares), int(self.groups.max()) + 1), np.float32)
        np.add.at(merged.T, self.groups[counted], shares.T[counted])
        if not counted.all():
            merged /= np.maximum(merged.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return merged


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said.

    Attributes:
        answers: one for each image that could be read, in the order of the samples.
        unreadable: the other images.
    """

    answers: tuple[Answer, ...]
    unreadable: tuple[Unreadable, ...]


def judge(
    jurors: Sequence[Juror],
    samples: Sequence[Sample],
    relative: Callable[[str], str],
    settings: JudgeSettings,
    progress: Progress,
    advance: Callable[[], None],
) -> Judged:
    """Show images to a network, or to several whose probabilities are averaged.

    Args:
        jurors: the networks.
        samples: the images, labelled with indices of the classes that are asked for.
        relative: a path as it is told.
        settings: how.
        progress: hears what runs it, where that is not the usual.
        advance: is called once for each image.

    Raises:
        CnncliError: a network cannot be run as wished for, or answers with what is no number.
    """
    allow_pixels(settings.max_pixels)
    engines = [_engine(juror.folder, settings, progress) for juror in jurors]
    size = settings.batch_size or min(engine.batch_size for engine in engines)
    answers: list[Answer] = []
    unreadable: list[Unreadable] = []
    place = iter(samples)
    with contextlib.ExitStack() as stack:
        streams = [
            stack.enter_context(contextlib.closing(_batches(juror.folder, samples, size, settings)))
            for juror in jurors
        ]
        for step in zip(*streams, strict=True):
            here = [next(place) for _ in step[0].entries]
            failed = _failed(step)
            unreadable += failed.values()
            shown = [sample for number, sample in enumerate(here) if number not in failed]
            if shown:
                said = [
                    juror.merged(_probabilities(engine, _readable(batch, failed)))
                    for juror, engine, batch in zip(jurors, engines, step, strict=True)
                ]
                mean: NDArray[np.float32] = np.mean(said, axis=0, dtype=np.float32)
                answers += answers_of(shown, mean, relative)
            for _ in here:
                advance()
    return Judged(tuple(answers), tuple(unreadable))


def _failed(step: Sequence[Batch]) -> dict[int, Unreadable]:
    """Entries that some network cannot have, by place: it may ask for a size that would be too large."""
    return {
        number: entry
        for batch in step
        for number, entry in enumerate(batch.entries)
        if isinstance(entry, Unreadable)
    }


def _readable(batch: Batch, failed: Mapping[int, Unreadable]) -> Pixels:
    """(N, C, H, W) of the entries that every network can have."""
    there = [number for number, entry in enumerate(batch.entries) if not isinstance(entry, Unreadable)]
    kept = [row for row, number in enumerate(there) if number not in failed]
    return batch.pixels if len(kept) == len(batch.pixels) else batch.pixels[kept]


def answers_of(
    samples: Sequence[Sample], shares: NDArray[np.float32], relative: Callable[[str], str]
) -> Iterator[Answer]:
    """Answers from probabilities (N, K)."""
    ranked = top_classes(shares, _TOLD)
    best = np.take_along_axis(shares, ranked, axis=1)
    for sample, indices, values, row in zip(samples, ranked.tolist(), best.tolist(), shares, strict=True):
        yield Answer(
            relative(sample.path),
            sample.split,
            sample.label,
            tuple(indices),
            tuple(values),
            float(row[sample.label]),
        )


def _engine(folder: ModelFolder, settings: JudgeSettings, progress: Progress) -> Engine:
    engine: Engine = RetryOnOom(open_engine(folder, settings.running, progress))
    return FlipAverage(engine) if settings.tta else engine


def _batches(
    folder: ModelFolder, samples: Sequence[Sample], size: int, settings: JudgeSettings
) -> Generator[Batch]:
    sources = (sample.source for sample in samples)
    read = Reader(folder.card.preprocessing, settings.max_pixels, settings.exact_decode)
    return batches(sources, read, batch_size=size, workers=settings.workers or usable_cores())


def _probabilities(engine: Engine, pixels: Pixels) -> NDArray[np.float32]:
    shares = probabilities(engine.run(pixels).logits)
    if not np.isfinite(shares).all():
        raise NotANumberError(
            "the network answers with values that are no numbers",
            "try --precision fp32 or bf16, whose range is wider than that of fp16",
        )
    return shares
