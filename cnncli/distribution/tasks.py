"""What is computed for the inputs of a part. A task is small and can be sent to other processes, where it opens its network."""

import contextlib
import dataclasses
import functools
import io
from collections.abc import Callable, Generator, Iterable
from typing import Protocol, TypeVar

from cnncli.dataclass import frozen_dataclass
from cnncli.features.extract import Extractor
from cnncli.files.part_file import Settings
from cnncli.files.shards import Shard
from cnncli.images.sources import ImageInput
from cnncli.networks.predict_settings import PredictSettings
from cnncli.networks.reference import Reference
from cnncli.predict import Predictor
from cnncli.prepare import prepare
from cnncli.records.engines import InferenceOptions
from cnncli.records.features import EmbeddingRecord, ImageEmbedding
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress
from cnncli.render.formats import Format, open_writer

T = TypeVar("T")

Sources = Iterable[ImageInput | None]
"""The inputs of a part."""

Advance = Callable[[], None]
"""Called once per input."""


@frozen_dataclass
class PartContent:
    """A part that has been computed.

    Attributes:
        content: of its file.
        inputs: number of its records.
        unreadable: number of those whose image could not be read.
    """

    content: bytes
    inputs: int
    unreadable: int


@frozen_dataclass
class Resources:
    """What a process computes with; None leaves it to the engine.

    Attributes:
        threads: of the engine.
        batch_size: images per batch.
    """

    threads: int | None = None
    batch_size: int | None = None

    def limit(self, options: InferenceOptions) -> InferenceOptions:
        """The options with these threads, and this batch size where they have none."""
        return dataclasses.replace(
            options, threads=self.threads, batch_size=options.batch_size or self.batch_size
        )


@frozen_dataclass
class PartWorker:
    """A task whose network is open.

    Attributes:
        card: of the network.
        identity: everything that the content of a part depends on, apart from the images.
        compute: computes a part.
    """

    card: ModelCard
    identity: Settings
    compute: Callable[[Sources, Advance], PartContent]


class PartTask(Protocol):
    """What is computed."""

    @property
    def command(self) -> str:
        """The command that computes it."""

    @property
    def ending(self) -> str:
        """Of the names of the parts' files."""

    def open(self, resources: Resources, progress: Progress) -> PartWorker:
        """Open the network.

        Raises:
            CnncliError: it cannot be prepared, or cannot run here.
        """


SHARD_ENDING = ".npz"
"""Of parts that hold vectors: embeddings, or the probabilities of all classes."""


@frozen_dataclass
class PredictTask:
    """Predictions.

    Attributes:
        reference: of the network.
        settings: what a prediction contains.
        format: of the records.
        is_offline: download nothing.
    """

    reference: Reference
    settings: PredictSettings
    format: Format
    is_offline: bool = False

    command = "predict"

    @property
    def ending(self) -> str:
        """Of the names of the parts' files."""
        return f".{self.format}"

    def open(self, resources: Resources, progress: Progress) -> PartWorker:
        """Open the network."""
        folder = prepare(self.reference, progress, is_offline=self.is_offline, needs_classes=True)
        inference = resources.limit(self.settings.inference)
        predictor = Predictor(folder, dataclasses.replace(self.settings, inference=inference), progress)
        identity = {"format": self.format, **predictor.identity(), **predictor.session.identity()}
        return PartWorker(folder.card, identity, functools.partial(_predict, predictor, self.format))


def _predict(predictor: Predictor, format_: Format, sources: Sources, advance: Advance) -> PartContent:
    stream = io.BytesIO()
    inputs = unreadable = 0
    with open_writer(format_, stream, predictor.layout) as write:
        for record in _report(predictor.predict(sources), advance):
            write(record)
            inputs += 1
            unreadable += isinstance(record, Unreadable)
    return PartContent(stream.getvalue(), inputs, unreadable)


@frozen_dataclass
class FeaturesTask:
    """Embeddings.

    Attributes:
        reference: of the network.
        inference: engine, batches, decoding.
        layer: whose output is the embedding; None for the input of the last layer.
        is_offline: download nothing.
    """

    reference: Reference
    inference: InferenceOptions
    layer: str | None = None
    is_offline: bool = False

    command = "features"
    ending = SHARD_ENDING

    def open(self, resources: Resources, progress: Progress) -> PartWorker:
        """Open the network."""
        folder = prepare(self.reference, progress, is_offline=self.is_offline)
        extractor = Extractor(folder, resources.limit(self.inference), progress, self.layer)
        identity = {
            **extractor.identity(),
            "layer_name": extractor.layer,
            **extractor.session.identity(),
        }
        return PartWorker(folder.card, identity, functools.partial(_shard, extractor.extract))


@frozen_dataclass
class EvaluateTask:
    """The probabilities of all classes, of labelled images.

    Attributes:
        reference: of the network.
        inference: engine, batches, decoding.
        split: of the images.
        split_source: where the split comes from, as text.
        is_offline: download nothing.
    """

    reference: Reference
    inference: InferenceOptions
    split: str
    split_source: str
    is_offline: bool = False

    command = "evaluate"
    ending = SHARD_ENDING

    def open(self, resources: Resources, progress: Progress) -> PartWorker:
        """Open the network."""
        folder = prepare(self.reference, progress, is_offline=self.is_offline, needs_classes=True)
        inference = resources.limit(self.inference)
        settings = PredictSettings(topk=len(folder.card.class_names), inference=inference)
        predictor = Predictor(folder, settings, progress)
        split = {"split": self.split, "split_source": self.split_source}
        identity = {**split, **predictor.identity(), **predictor.session.identity()}
        probabilities = functools.partial(_probabilities, predictor)
        return PartWorker(folder.card, identity, functools.partial(_shard, probabilities))


def _probabilities(predictor: Predictor, sources: Sources) -> Generator[EmbeddingRecord]:
    with contextlib.closing(predictor.session.probabilities(sources)) as outputs:
        for output in outputs:
            yield output if isinstance(output, Unreadable) else ImageEmbedding(output.source, output.values)


def _shard(
    compute: Callable[[Sources], Generator[EmbeddingRecord]], sources: Sources, advance: Advance
) -> PartContent:
    shard = Shard.of(list(_report(compute(sources), advance)))
    return PartContent(shard.to_bytes(), len(shard.paths), len(shard.unreadable))


def _report(records: Generator[T], advance: Advance) -> Generator[T]:
    """The records, each of which is reported when it is there."""
    with contextlib.closing(records):
        for record in records:
            advance()
            yield record
