"""Images to embeddings as a stream: one for each input, in input order."""

import contextlib
import json
from collections.abc import Generator, Iterable, Mapping
from dataclasses import asdict

from cnncli.images.sources import ImageInput
from cnncli.inference import Session
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.engines import InferenceOptions
from cnncli.records.features import EmbeddingRecord, ImageEmbedding
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress

IDENTITY = ("model", "weights", "preprocessing", "layer", "precision", "max_pixels")
"""Names of everything that embeddings depend on, apart from the images."""

_OUTPUT = "output"
"""Stands for the layer of a network whose output is itself the embedding."""


class Extractor:
    """A prepared network that is ready to compute embeddings."""

    def __init__(
        self, folder: ModelFolder, options: InferenceOptions, progress: Progress, layer: str | None = None
    ) -> None:
        """Open the network's engine.

        Args:
            folder: the network.
            options: how it runs.
            progress: reports if torch runs a network because it could not be compiled.
            layer: name of the layer whose output becomes the embedding, which needs torch; None takes the network's own
                embedding, the pooled input of its last layer.

        Raises:
            UsageError: a device, an engine or a layer that this network or machine does not have.
        """
        self._folder, self._options, self._layer = folder, options, layer
        self._session = Session(folder, options, progress, layer=layer)

    @property
    def card(self) -> ModelCard:
        """The network's card."""
        return self._folder.card

    @property
    def session(self) -> Session:
        """What runs the network."""
        return self._session

    @property
    def layer(self) -> str:
        """The layer whose output the embeddings are, or whose input if it is the last layer."""
        return self._layer or self._folder.card.embedding.layer or _OUTPUT

    @property
    def source(self) -> str:
        """What the embeddings are, for titles: the input of the last layer, or the output of a layer or of the network."""
        last = self._folder.card.embedding.layer
        if self._layer:
            return f"output of {self._layer}"
        return f"input of {last}, the last layer" if last else "output"

    def identity(self) -> Mapping[str, str | int | float | bool | None]:
        """Everything that the embeddings depend on, apart from the images."""
        options, card = self._options, self._folder.card
        values = (
            card.name,
            self._folder.digest,
            json.dumps(asdict(card.preprocessing), sort_keys=True),
            f"out of {self._layer}" if self._layer else f"into {card.embedding.layer or _OUTPUT}",
            self._session.precision,
            options.max_pixels,
        )
        return dict(zip(IDENTITY, values, strict=True))

    def extract(self, sources: Iterable[ImageInput | None]) -> Generator[EmbeddingRecord]:
        """One record for each input, in input order.

        Args:
            sources: the inputs, from `images.sources`.

        Raises:
            NotANumberError: the network overflows on some image.
        """
        with contextlib.closing(self._session.embeddings(sources)) as outputs:
            for output in outputs:
                if isinstance(output, Unreadable):
                    yield output
                else:
                    yield ImageEmbedding(output.source, output.values)
