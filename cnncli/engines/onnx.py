"""model.onnx on the CPU, by ONNX Runtime. Needs no torch; opening it takes a tenth of a second."""

from pathlib import Path

import numpy as np
import onnxruntime

from cnncli.engines.cores import usable_cores
from cnncli.engines.engine import PREPARE_AGAIN, EngineRequest, Outputs, unusable_graph
from cnncli.errors import ModelFolderError, OutOfMemoryError
from cnncli.images.preprocess import Pixels

BATCH_SIZE = 8
"""Images per batch. On a CPU larger batches are no faster (measured: SqueezeNet and ResNet-50 at 1 to 32), they only delay
the first result and take more memory."""

_ERRORS_ONLY = 3
"""ONNX Runtime's log severity: 0 is everything, 3 is errors."""

_SETTINGS = {
    # Threads that spin while they wait for the next layer would slow down the threads that decode images.
    "session.intra_op.allow_spinning": "0",
    # Work is divided into ever smaller blocks, so that one busy core does not hold up the others.
    "session.dynamic_block_base": "4",
}


def open_engine(request: EngineRequest) -> "OnnxEngine":
    """Open the compiled network of a model folder."""
    return OnnxEngine(request.folder.require_graph(), request.threads)


def describe() -> str:
    """What ONNX Runtime can do here, for `cnncli doctor`."""
    if "CPUExecutionProvider" not in onnxruntime.get_available_providers():
        raise RuntimeError("this build cannot compute on the CPU")
    return "runs prepared networks on the CPU"


class OnnxEngine:
    """A compiled network in an ONNX Runtime session."""

    def __init__(self, graph: Path, threads: int | None = None) -> None:
        """Open a compiled network.

        Args:
            graph: a model folder's model.onnx.
            threads: threads of one run; None for all usable cores.

        Raises:
            ModelFolderError: the file is not a compiled network.
        """
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        for setting, value in _SETTINGS.items():
            options.add_session_config_entry(setting, value)
        self._threads = options.intra_op_num_threads = threads or usable_cores()
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions share no base class but this
            raise ModelFolderError(
                f"{graph} cannot be opened: {' '.join(str(error).split())}", PREPARE_AGAIN
            ) from error
        names = [
            {port.name for port in ports}
            for ports in (self._session.get_inputs(), self._session.get_outputs())
        ]
        if names[0] != {"images"} or not {"logits", "embedding"} <= names[1]:
            raise ModelFolderError(
                f"{graph} is not a compiled network: it maps {', '.join(sorted(names[0]))} to {', '.join(sorted(names[1]))}",
                PREPARE_AGAIN,
            )
        self._graph = graph

    def __str__(self) -> str:
        """Engine, device, precision and threads, for `--verbose`."""
        return f"ONNX Runtime {onnxruntime.__version__} on the CPU, fp32, {self._threads} threads"

    @property
    def batch_size(self) -> int:
        """Preferred number of images per batch."""
        return BATCH_SIZE

    def run(self, pixels: Pixels) -> Outputs:
        """Logits and embeddings of a batch (N, C, H, W) float32.

        Raises:
            OutOfMemoryError: the batch is too large.
            ModelFolderError: the file expects another input, or is damaged in another way.
        """
        try:
            logits, embeddings = self._session.run(["logits", "embedding"], {"images": pixels})
        except Exception as error:  # onnxruntime's own exceptions share no base class but this
            if "alloc" not in str(error).lower() and not isinstance(error, MemoryError):
                raise unusable_graph(self._graph, error) from error
            raise OutOfMemoryError(
                f"out of memory with a batch of {len(pixels)}", "use a smaller --batch-size"
            ) from error
        return Outputs(np.asarray(logits), np.asarray(embeddings))
