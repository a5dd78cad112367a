"""model.onnx on the CPU, by OpenVINO: about twice as fast in bf16 on processors that support it.

An optional package (`pip install 'cnncli[openvino]'`). It reads the same file as ONNX Runtime.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from cnncli.engines.cores import usable_cores
from cnncli.engines.engine import EngineRequest, Outputs, unusable_graph
from cnncli.errors import ModelFolderError, UsageError
from cnncli.images.preprocess import Pixels
from cnncli.records.engines import Precision
from cnncli.text import counted

# OpenVINO reports its import to a server through this package, and works without it.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
import openvino  # noqa: E402 - after the line above

BATCH_SIZE = 16
"""Images per batch. Measured: ResNet-50 and MobileNetV3 in bf16 are no faster with more."""

_HINTS = {Precision.FP32: "f32", Precision.BF16: "bf16", Precision.FP16: "f16"}


def load_openvino() -> Any:  # noqa: ANN401 - a module without types
    """OpenVINO, which sends nothing."""
    return openvino


def computes_in(precision: Precision) -> bool:
    """Whether this processor supports a precision, according to OpenVINO."""
    return precision.upper() in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def open_engine(request: EngineRequest) -> "OpenVinoEngine":
    """Open the compiled network of a model folder."""
    return OpenVinoEngine(request.folder.require_graph(), request.precision, request.threads)


def describe() -> str:
    """What OpenVINO can do here, for `cnncli doctor`."""
    precisions = [precision for precision in _HINTS if computes_in(precision)]
    best = Precision.BF16 if Precision.BF16 in precisions else Precision.FP32
    return f"runs prepared networks on the CPU, in {', '.join(precisions)}; --precision auto is {best}"


class OpenVinoEngine:
    """A compiled network in OpenVINO's CPU plugin."""

    def __init__(self, graph: Path, precision: Precision, threads: int | None = None) -> None:
        """Open a compiled network.

        Args:
            graph: a model folder's model.onnx.
            precision: number format of the computation.
            threads: threads of one run; None for all usable cores.

        Raises:
            UsageError: this processor does not support the precision.
            ModelFolderError: the file is not a compiled network.
        """
        self._graph, self._precision = graph, precision
        self._threads = threads or usable_cores()
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": self._threads,
            "PERFORMANCE_HINT": "LATENCY",  # one batch at a time on all threads
            "ENABLE_CPU_PINNING": False,  # the cores are shared with the decoding threads
        }
        try:
            self._network = openvino.Core().compile_model(graph, "CPU", settings)
        except Exception as error:  # OpenVINO's own exceptions are bare RuntimeErrors, of any text
            raise ModelFolderError(
                f"OpenVINO cannot open {graph}: {' '.join(str(error).split())}",
                "leave out --engine openvino and --precision auto",
            ) from error
        used = self._network.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if used != _HINTS[precision]:  # OpenVINO ignores hints it cannot follow
            raise UsageError(
                f"OpenVINO computes in {used} instead of {precision} on this processor",
                "use --precision fp32",
            )

    def __str__(self) -> str:
        """Engine, precision and threads, for `--verbose`."""
        return f"OpenVINO {openvino.__version__} on the CPU, {self._precision}, {counted(self._threads, 'thread')}"

    @property
    def batch_size(self) -> int:
        """Preferred number of images per batch."""
        return BATCH_SIZE

    def run(self, pixels: Pixels) -> Outputs:
        """Logits and embeddings of a batch (N, C, H, W) float32.

        Raises:
            ModelFolderError: the file is not a compiled network for such a batch.
        """
        try:
            outputs = self._network([pixels])
            return Outputs(np.array(outputs["logits"]), np.array(outputs["embedding"]))
        except (RuntimeError, LookupError, TypeError) as error:
            raise unusable_graph(self._graph, error) from error
