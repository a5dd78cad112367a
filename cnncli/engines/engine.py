"""What every engine does; imports no inference library."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import ModelFolderError
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.engines import Precision

if TYPE_CHECKING:
    from cnncli.images.preprocess import Pixels  # imports Pillow


@frozen_dataclass
class Outputs:
    """What a network computes for a batch.

    Attributes:
        logits: (N, K) float32, one score per class; `cnncli.logits` turns them into probabilities.
        embeddings: (N, D) float32, the pooled input of the last weight layer.
    """

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]


@frozen_dataclass
class EngineRequest:
    """What an engine should open.

    Attributes:
        folder: the network.
        device: `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: number format of the computation.
        layer: name of the layer whose output becomes the embedding; None takes the network's own embedding.
        threads: threads of one run on the CPU; None for all usable cores.
    """

    folder: ModelFolder
    device: str
    precision: Precision
    layer: str | None = None
    threads: int | None = None


class Engine(Protocol):
    """A network ready to run."""

    @property
    def batch_size(self) -> int:
        """Preferred number of images per batch."""

    def run(self, pixels: "Pixels") -> Outputs:
        """Logits and embeddings of a batch (N, C, H, W) float32, N of any size above zero.

        Raises:
            OutOfMemoryError: the batch is too large for the device.
        """


GPU_BATCH_SIZE = 64
"""Images per batch on a GPU, which has thousands of cores to keep busy."""

PREPARE_AGAIN = "prepare the network again"


def unusable_graph(graph: Path, error: Exception) -> ModelFolderError:
    """Error for an ONNX file that an inference library opens but cannot run."""
    return ModelFolderError(f"{graph} cannot be run: {' '.join(str(error).split())[:300]}", PREPARE_AGAIN)
