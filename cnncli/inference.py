"""A session: a model folder, opened by an engine and run over image sources, in input order.

The one loop over batches. Predictions, evaluations, embeddings and the check of an export are maps over it, so they
all see the same pixels, and a million images cost the memory of a few batches.
"""

import contextlib
from collections.abc import Callable, Generator, Iterable, Mapping

import numpy as np
import PIL
from numpy.typing import NDArray

from cnncli import logits
from cnncli.dataclass import frozen_dataclass
from cnncli.engines.adapters import FlipAverage, RequireFit, RetryOnOom
from cnncli.engines.cores import usable_cores
from cnncli.engines.engine import Engine, Outputs
from cnncli.engines.select import open_engine, resolve
from cnncli.errors import NotANumberError
from cnncli.images.loader import ImageReader, InputBatch, batches
from cnncli.images.preprocess import Pixels
from cnncli.images.sources import ImageInput
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.engines import InferenceOptions
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import Progress
from cnncli.text import counted

Values = NDArray[np.float32]
"""(K,) or (D,) of one image, (N, K) or (N, D) of a batch."""


@frozen_dataclass
class ImageOutput:
    """An image and what the network computed for it: logits or probabilities (K,), or an embedding (D,), float32."""

    source: ImageSource
    values: Values


class Session:
    """An open model folder, ready for images."""

    def __init__(
        self, folder: ModelFolder, options: InferenceOptions, progress: Progress, *, layer: str | None = None
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
        resolved = resolve(folder, options.engine, needs_layers=layer is not None)
        opened = open_engine(folder, resolved, progress, layer=layer, threads=options.threads)
        engine: Engine = RetryOnOom(RequireFit(opened, folder, layer=layer))
        self._engine = FlipAverage(engine, folder.card.tasks) if options.tta else engine
        self._batch_size = options.batch_size or engine.batch_size
        self._threads = options.threads or usable_cores()
        self._workers = options.workers or self._threads
        self.folder = folder
        self.precision = resolved.precision
        self.reader = ImageReader(folder.card.preprocessing, options.max_pixels, options.exact_decode)

    def __str__(self) -> str:
        """Folder, engine, batch size and threads, for `--verbose`."""
        return (
            f"{self.folder.path}: {self._engine}, {counted(self._batch_size, 'image')} at a time, "
            f"{counted(self._workers, 'decoding thread')}"
        )

    def identity(self) -> Mapping[str, str | int]:
        """What the last digits of the outputs depend on, apart from network and images."""
        return {
            "engine": str(self._engine),
            "threads": self._threads,
            "batch_size": self._batch_size,
            "pillow": PIL.__version__,
        }

    def probabilities(self, sources: Iterable[ImageInput | None]) -> Generator[ImageOutput | Unreadable]:
        """Probabilities (K,) of each image, in input order.

        Args:
            sources: the inputs; None means that the next one may take long, so that waiting ones are processed first.

        Raises:
            NotANumberError: the network overflows on some image.
        """
        tasks = self.folder.card.tasks
        return self._run(sources, self.reader, lambda outputs: logits.probabilities(outputs.logits, tasks))

    def logits(self, sources: Iterable[ImageInput | None]) -> Generator[ImageOutput | Unreadable]:
        """Logits (K,) of each image, in input order; inputs and errors as for `probabilities`."""
        return self._run(sources, self.reader, lambda outputs: outputs.logits)

    def embeddings(
        self,
        sources: Iterable[ImageInput | None],
        read: Callable[[ImageSource], Pixels | Unreadable] | None = None,
    ) -> Generator[ImageOutput | Unreadable]:
        """Embedding (D,) of each image, in input order.

        Args:
            sources: the inputs; None means that the next one may take long, so that waiting ones are processed first.
            read: turns a source into pixels; `reader` by default.

        Raises:
            NotANumberError: the network overflows on some image.
        """
        return self._run(sources, read or self.reader, lambda outputs: outputs.embeddings)

    def logits_and_embeddings(
        self,
        sources: Iterable[ImageInput | None],
        read: Callable[[ImageSource], Pixels | Unreadable] | None = None,
    ) -> Generator[ImageOutput | Unreadable]:
        """Logits and embedding (K + D,) of each image, in input order; inputs and errors as for `embeddings`."""
        return self._run(
            sources,
            read or self.reader,
            lambda outputs: np.concatenate([outputs.logits, outputs.embeddings], axis=1),
        )

    def scores(
        self,
        sources: Iterable[ImageInput | None],
        score: Callable[[Values, Values], Values],
        *,
        after_probabilities: bool = False,
    ) -> Generator[ImageOutput | Unreadable]:
        """A score (1,) of each image, in input order; errors as for `probabilities`.

        Args:
            sources: the inputs, as for `probabilities`.
            score: computes scores (N,) from logits (N, K) and embeddings (N, D).
            after_probabilities: whether the probabilities come before each score: (K + 1,).
        """
        tasks = self.folder.card.tasks

        def choose(outputs: Outputs) -> Values:
            column = score(outputs.logits, outputs.embeddings)[:, None]
            if not after_probabilities:
                return column
            return np.concatenate([logits.probabilities(outputs.logits, tasks), column], axis=1)

        return self._run(sources, self.reader, choose)

    def _run(
        self,
        sources: Iterable[ImageInput | None],
        read: Callable[[ImageSource], Pixels | Unreadable],
        choose: Callable[[Outputs], Values],
    ) -> Generator[ImageOutput | Unreadable]:
        loaded = batches(sources, read, batch_size=self._batch_size, workers=self._workers)
        with contextlib.closing(loaded):
            yield from run(self._engine, loaded, choose)


def run(
    engine: Engine, loaded: Iterable[InputBatch], choose: Callable[[Outputs], Values]
) -> Generator[ImageOutput | Unreadable]:
    """Run batches through an engine.

    Args:
        engine: the network.
        loaded: batches from `images.loader.batches`.
        choose: selects the values of interest, one row per image, from the outputs of a batch.

    Yields:
        One entry for each input, in order.

    Raises:
        NotANumberError: a chosen value is infinite or NaN.
    """
    for batch in loaded:
        rows = iter(_require_finite(choose(engine.run(batch.pixels))) if len(batch.pixels) else ())
        for entry in batch.entries:
            yield entry if isinstance(entry, Unreadable) else ImageOutput(entry, next(rows))


def _require_finite(values: Values) -> Values:
    if not np.isfinite(values).all():
        raise NotANumberError(
            "the network's output contains infinite values or NaN",
            "try --precision fp32 or bf16, whose range is wider than that of fp16",
        )
    return values
