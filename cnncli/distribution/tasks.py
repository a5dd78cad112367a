"""What is computed for the inputs of a part. A task is small and can be sent to other processes, where it opens its network."""

import contextlib
import dataclasses
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cnncli.images.sources import ImageInput
from cnncli.inference import InferenceOptions
from cnncli.networks.reference import Reference
from cnncli.predict import Predictor, PredictSettings
from cnncli.prepare import prepare
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
