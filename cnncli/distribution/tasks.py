"""What is computed for the inputs of a part. A task is small and can be sent to other processes, where it opens its network."""

import contextlib
import dataclasses
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cnncli.features.extract import Extractor
from cnncli.files.shards import Shard
from cnncli.images.sources import ImageInput
from cnncli.inference import InferenceOptions
from cnncli.networks.reference import Reference
from cnncli.predict import Predictor, PredictSettings
from cnncli.prepare import prepare
from cnncli.records.features import EmbeddingRecord, ImageEmbedding
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress
from cnncli.render.formats import Format, open_writer


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


class PartWorker(Protocol):
    """A task whose network is open."""

    @property
    def card(self) -> ModelCard:
        """The network's card."""

    def identity(self) -> Mapping[str, str | int | float | bool | None]:
        """Everything that the content of a part depends on, apart from the images."""

    def compute(self, sources: Iterable[ImageInput | None], advance: Callable[[], None]) -> PartContent:
        """Compute a part.

        Args:
            sources: its inputs.
            advance: called once per input.
        """


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


@dataclass(frozen=True, slots=True)
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

    def open(self, resources: Resources, progress: Progress) -> "_PredictWorker":
        """Open the network."""
        folder = prepare(self.reference, progress, is_offline=self.is_offline, needs_classes=True)
        inference = resources.limit(self.settings.inference)
        settings = dataclasses.replace(self.settings, inference=inference)
        return _PredictWorker(Predictor(folder, settings, progress), self.format)


@dataclass(frozen=True, slots=True)
class _PredictWorker:
    predictor: Predictor
    format: Format

    @property
    def card(self) -> ModelCard:
        return self.predictor.card

    def identity(self) -> Mapping[str, str | int | float | bool | None]:
        return {"format": self.format, **self.predictor.identity(), **self.predictor.session.identity()}

    def compute(self, sources: Iterable[ImageInput | None], advance: Callable[[], None]) -> PartContent:
        stream = io.BytesIO()
        inputs = unreadable = 0
        with (
            open_writer(self.format, stream, self.predictor.labels) as write,
            contextlib.closing(self.predictor.predict(sources)) as records,
        ):
            for record in records:
                write(record)
                inputs += 1
                unreadable += isinstance(record, Unreadable)
                advance()
        return PartContent(stream.getvalue(), inputs, unreadable)


@dataclass(frozen=True, slots=True)
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

    def open(self, resources: Resources, progress: Progress) -> "_FeaturesWorker":
        """Open the network."""
        folder = prepare(self.reference, progress, is_offline=self.is_offline)
        return _FeaturesWorker(Extractor(folder, resources.limit(self.inference), progress, self.layer))


@dataclass(frozen=True, slots=True)
class _FeaturesWorker:
    extractor: Extractor

    @property
    def card(self) -> ModelCard:
        return self.extractor.card

    def identity(self) -> Mapping[str, str | int | float | bool | None]:
        return {
            **self.extractor.identity(),
            "layer_name": self.extractor.layer,
            **self.extractor.session.identity(),
        }

    def compute(self, sources: Iterable[ImageInput | None], advance: Callable[[], None]) -> PartContent:
        with contextlib.closing(self.extractor.extract(sources)) as records:
            return _shard(_count(records, advance))


@dataclass(frozen=True, slots=True)
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

    def open(self, resources: Resources, progress: Progress) -> "_EvaluateWorker":
        """Open the network."""
        folder = prepare(self.reference, progress, is_offline=self.is_offline, needs_classes=True)
        classes = len(folder.card.class_names)
        settings = PredictSettings(topk=classes, inference=resources.limit(self.inference))
        return _EvaluateWorker(Predictor(folder, settings, progress), self)


@dataclass(frozen=True, slots=True)
class _EvaluateWorker:
    predictor: Predictor
    task: EvaluateTask

    @property
    def card(self) -> ModelCard:
        return self.predictor.card

    def identity(self) -> Mapping[str, str | int | float | bool | None]:
        split = {"split": self.task.split, "split_source": self.task.split_source}
        return split | {**self.predictor.identity(), **self.predictor.session.identity()}

    def compute(self, sources: Iterable[ImageInput | None], advance: Callable[[], None]) -> PartContent:
        with contextlib.closing(self.predictor.session.probabilities(sources)) as outputs:
            records = (
                item if isinstance(item, Unreadable) else ImageEmbedding(item.source, item.values)
                for item in outputs
            )
            return _shard(_count(records, advance))


def _count(records: Iterable[EmbeddingRecord], advance: Callable[[], None]) -> list[EmbeddingRecord]:
    """The records, each of which is reported when it is there."""
    entries = []
    for record in records:
        entries.append(record)
        advance()
    return entries


def _shard(entries: Sequence[EmbeddingRecord]) -> PartContent:
    shard = Shard.of(entries)
    return PartContent(shard.to_bytes(), len(entries), len(shard.unreadable))
