"""Engines that wrap another one: outputs that must fit the card, smaller batches if memory is short, averaging over a flipped copy."""

from collections.abc import Sequence

import numpy as np

from cnncli.engines.engine import PREPARE_AGAIN, Engine, Outputs
from cnncli.errors import ModelFolderError, OutOfMemoryError
from cnncli.images.preprocess import Pixels
from cnncli.logits import logits_of, probabilities
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.tasks import Task


class _Wrapper:
    """What an engine that wraps another one takes from it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __str__(self) -> str:
        """Name of the wrapped engine."""
        return str(self._engine)

    @property
    def batch_size(self) -> int:
        """Preferred number of images per batch."""
        return self._engine.batch_size


class RequireFit(_Wrapper):
    """An engine whose outputs must fit the model card; ONNX files are written by anybody."""

    def __init__(self, engine: Engine, folder: ModelFolder, *, layer: str | None) -> None:
        """Wrap an engine.

        Args:
            engine: runs the network.
            folder: of the network.
            layer: whose output is the embedding; None for that of the card.
        """
        super().__init__(engine)
        self._path = folder.path
        self._classes = len(folder.card.class_names) or None
        self._width = folder.card.embedding.size if layer is None else None

    def run(self, pixels: Pixels) -> Outputs:
        """Outputs of a batch (N, C, H, W) float32.

        Raises:
            ModelFolderError: an output has another shape or type than the card says.
        """
        outputs = self._engine.run(pixels)
        expected = (("logits", outputs.logits, self._classes), ("embedding", outputs.embeddings, self._width))
        for name, values, width in expected:
            fits = values.ndim == 2 and len(values) == len(pixels) and width in {None, values.shape[1]}  # noqa: PLR2004
            if not fits or values.dtype != np.float32:
                shape = " x ".join(map(str, values.shape))
                raise ModelFolderError(
                    f"the network of {self._path} does not fit its card: its output {name} is {values.dtype} of {shape}, "
                    f"not float32 of {len(pixels)} x {width or 'any'}",
                    PREPARE_AGAIN,
                )
        return outputs


class RetryOnOom(_Wrapper):
    """An engine that halves the batch when memory runs out, and remembers the size that fits."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._limit: int | None = None

    def run(self, pixels: Pixels) -> Outputs:
        """Outputs of a batch (N, C, H, W) float32, computed in as many parts as memory requires.

        Raises:
            OutOfMemoryError: not even one image fits.
        """
        size = min(self._limit or len(pixels), len(pixels))
        while True:
            try:
                return _concatenate(
                    [self._engine.run(pixels[i : i + size]) for i in range(0, len(pixels), size)]
                )
            except OutOfMemoryError:
                if size == 1:
                    raise
                size = self._limit = size // 2


class FlipAverage(_Wrapper):
    """Test-time augmentation (`--tta`): each image as it is and flipped left to right.

    Probabilities and embeddings of both are averaged; the logits returned are those of the mean probabilities.
    """

    def __init__(self, engine: Engine, tasks: Sequence[Task]) -> None:
        """Wrap an engine.

        Args:
            engine: runs the network.
            tasks: of the network.
        """
        super().__init__(engine)
        self._tasks = tasks

    def __str__(self) -> str:
        """Name of the wrapped engine, and that it runs twice."""
        return f"{self._engine}, each image twice"

    def run(self, pixels: Pixels) -> Outputs:
        """Outputs of a batch (N, C, H, W) float32: logits of the mean probabilities, mean embedding."""
        both = [self._engine.run(view) for view in (pixels, np.ascontiguousarray(pixels[..., ::-1]))]
        shares = [probabilities(outputs.logits, self._tasks) for outputs in both]
        return Outputs(
            logits=logits_of(np.mean(shares, axis=0, dtype=np.float32), self._tasks),
            embeddings=np.mean([outputs.embeddings for outputs in both], axis=0, dtype=np.float32),
        )


def _concatenate(parts: Sequence[Outputs]) -> Outputs:
    if len(parts) == 1:
        return parts[0]
    return Outputs(
        np.concatenate([part.logits for part in parts]), np.concatenate([part.embeddings for part in parts])
    )
