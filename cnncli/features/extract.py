"""Images to embeddings as a stream: one for each input, in input order; a million cost the memory of a few batches."""

import contextlib
import json
from collections.abc import Generator, Iterable, Mapping
from dataclasses import asdict

from cnncli.engines.adapters import RetryOnOom
from cnncli.engines.engine import Engine, usable_cores
from cnncli.errors import UsageError
from cnncli.features.embed import EmbedSettings, finite
from cnncli.images.decode import allow_pixels
from cnncli.images.loader import Reader, batches
from cnncli.images.sources import Found
from cnncli.networks.model_folder import ModelFolder
from cnncli.prepare import open_engine, packages_needed
from cnncli.records.engines import EngineName
from cnncli.records.features import Embedded, Extract
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress

_OUTPUT = "output"
"""What stands for the layer of a network whose output is itself the embedding."""


class Extractor:
    """A prepared network that is ready to make embeddings."""

    def __init__(
        self, folder: ModelFolder, settings: EmbedSettings, progress: Progress, layer: str | None = None
    ) -> None:
        """Open the network's engine.

        Args:
            folder: the network.
            settings: how embeddings are made.
            progress: hears of what may surprise.
            layer: by its name, whose output is wanted, which takes torch; None takes the network's embedding, the pooled
                input of its last layer.

        Raises:
            UsageError: a device, an engine or a layer that this network or machine does not have.
        """
        self._folder, self._settings, self._layer = folder, settings, layer
        engine = self._of_layer(layer) if layer else open_engine(folder, settings.running, progress)
        self._engine: Engine = RetryOnOom(engine)
        self._batch_size = settings.batch_size or self._engine.batch_size
        allow_pixels(settings.max_pixels)

    def _of_layer(self, layer: str) -> Engine:
        wish = self._settings.running
        if wish.engine in {EngineName.ONNX, EngineName.OPENVINO}:
            raise UsageError(f"--layer needs torch, and --engine is {wish.engine}", "leave one of them out")
        with packages_needed("any layer but the last"):
            from cnncli.engines.torch import TorchEngine, cuda_is_available

            usual = "cuda" if cuda_is_available() else "cpu"
            device = usual if wish.device == "auto" else wish.device
            return TorchEngine(self._folder, device, wish.precision, layer=layer)

    @property
    def layer(self) -> str:
        """The layer whose output, or whose input if it is the last, the embeddings are."""
        return self._layer or self._folder.card.embedding.layer or _OUTPUT

    def identity(self) -> Mapping[str, str | int | float | bool | None]:
        """Everything that the embeddings depend on, apart from the images."""
        settings, card = self._settings, self._folder.card
        return {
            "model": card.name,
            "weights": self._folder.digest,
            "preprocessing": json.dumps(asdict(card.preprocessing), sort_keys=True),
            "layer": f"out of {self._layer}" if self._layer else f"into {card.embedding.layer or _OUTPUT}",
            "precision": settings.running.precision,
            "max_pixels": settings.max_pixels,
        }

    def extract(self, found: Iterable[Found | None]) -> Generator[Extract]:
        """One entry for each input, in input order.

        Args:
            found: the inputs, as `images.sources` gives them.

        Raises:
            NotANumberError: an embedding overflows.
        """
        settings = self._settings
        read = Reader(self._folder.card.preprocessing, settings.max_pixels)
        workers = settings.workers or usable_cores()
        loaded = batches(found, read, batch_size=self._batch_size, workers=workers)
        with contextlib.closing(loaded):
            for batch in loaded:
                vectors = iter(finite(self._engine.run(batch.pixels).embeddings) if len(batch.pixels) else ())
                for entry in batch.entries:
                    yield entry if isinstance(entry, Unreadable) else Embedded(entry, next(vectors))
