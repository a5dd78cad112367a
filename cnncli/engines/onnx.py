"""model.onnx by ONNX Runtime: on the CPU, or with the package onnxruntime-gpu on CUDA.

Needs no torch; opening it on the CPU takes a tenth of a second.
"""

import contextlib
import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from cnncli.engines.cores import usable_cores
from cnncli.engines.engine import GPU_BATCH_SIZE, PREPARE_AGAIN, EngineRequest, Outputs, unusable_graph
from cnncli.errors import ModelFolderError, OutOfMemoryError, UsageError
from cnncli.text import counted

if TYPE_CHECKING:
    from cnncli.images.preprocess import Pixels  # imports Pillow

CPU_BATCH_SIZE = 8
"""Images per batch. On a CPU larger batches are no faster (measured: SqueezeNet and ResNet-50 at 1 to 32), they only delay
the first result and take more memory."""

_ERRORS, FATAL_ERRORS = 3, 4
"""Severities of ONNX Runtime's log. On the CPU, its errors are exceptions, too; on a GPU, it only logs that it cannot use it."""

_SETTINGS = {
    # Threads that spin while they wait for the next layer would slow down the threads that decode images.
    "session.intra_op.allow_spinning": "0",
    # Work is divided into ever smaller blocks, so that one busy core does not hold up the others.
    "session.dynamic_block_base": "4",
}

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

_CUDA_SETTINGS = {
    "use_tf32": "0",  # fp32 with all its digits, as in torch
    # By default every algorithm is timed for every new batch size: the last digits would differ from run to run.
    "cudnn_conv_algo_search": "HEURISTIC",
}


def open_engine(request: EngineRequest) -> "OnnxEngine":
    """Open the compiled network of a model folder."""
    return OnnxEngine(request.folder.require_graph(), request.threads, request.device)


@contextlib.contextmanager
def open_in_background(graph: Path, threads: int | None) -> Iterator[None]:
    """Within the block, a compiled network is opened on the CPU; an engine with the same arguments takes it over.

    ONNX Runtime needs no Python for that, so that modules can be imported meanwhile. A problem is left to the engine.
    """
    threads = threads or usable_cores()
    with ThreadPoolExecutor(1) as pool:
        _openings[graph, threads] = pool.submit(_open_session, graph, threads, "cpu")
        try:
            yield
        finally:
            _openings.pop((graph, threads), None)


_openings: "dict[tuple[Path, int], Future[onnxruntime.InferenceSession]]" = {}
"""By file and threads."""


def has_cuda() -> bool:
    """Whether the installed package was built for CUDA, as onnxruntime-gpu is; its libraries and a GPU may still be missing."""
    return _CUDA in onnxruntime.get_available_providers()


def describe() -> str:
    """What ONNX Runtime can do here, for `cnncli doctor`."""
    if _CPU not in onnxruntime.get_available_providers():
        raise RuntimeError("this build cannot compute on the CPU")
    if not has_cuda():
        return "runs prepared networks on the CPU"
    if problem := _load_cuda_libraries():
        return f"runs prepared networks on the CPU, not on CUDA: {problem}"
    return "runs prepared networks on the CPU, and on a GPU with --device cuda"


class OnnxEngine:
    """A compiled network in an ONNX Runtime session."""

    def __init__(self, graph: Path, threads: int | None = None, device: str = "cpu") -> None:
        """Open a compiled network.

        Args:
            graph: a model folder's model.onnx.
            threads: threads of one run on the CPU; None for all usable cores.
            device: `cpu`, `cuda`, `cuda:1`.

        Raises:
            ModelFolderError: the file is not a compiled network.
            UsageError: ONNX Runtime cannot use the device.
        """
        self._device = device
        self._threads = threads or usable_cores()
        opening = _openings.pop((graph, self._threads), None) if device == "cpu" else None
        self._session = opening.result() if opening else _open_session(graph, self._threads, device)
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
        place = (
            f"on the CPU, fp32, {counted(self._threads, 'thread')}"
            if self._device == "cpu"
            else f"on {self._device}, fp32"
        )
        return f"ONNX Runtime {onnxruntime.__version__} {place}"

    @property
    def batch_size(self) -> int:
        """Preferred number of images per batch."""
        return CPU_BATCH_SIZE if self._device == "cpu" else GPU_BATCH_SIZE

    def run(self, pixels: "Pixels") -> Outputs:
        """Logits and embeddings of a batch (N, C, H, W) float32.

        Raises:
            OutOfMemoryError: the batch is too large.
            ModelFolderError: the file expects another input, or is damaged in another way.
        """
        try:
            logits, embeddings = self._session.run(["logits", "embedding"], {"images": pixels})
        except Exception as error:  # onnxruntime's own exceptions share no base class but this
            message = str(error).lower()
            is_full = "alloc" in message or "out of memory" in message or isinstance(error, MemoryError)
            if not is_full:
                raise unusable_graph(self._graph, error) from error
            raise OutOfMemoryError(
                f"out of memory with a batch of {len(pixels)}", "use a smaller --batch-size"
            ) from error
        return Outputs(np.asarray(logits), np.asarray(embeddings))


def _open_session(graph: Path, threads: int, device: str) -> onnxruntime.InferenceSession:
    """Open a session on a device; on a GPU, ONNX Runtime falls back to the CPU by itself, and only its log says so.

    Raises:
        ModelFolderError: the file is not an ONNX file.
        UsageError: ONNX Runtime cannot use the device.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL_ERRORS if device == "cpu" else _ERRORS
    options.intra_op_num_threads = threads
    for setting, value in _SETTINGS.items():
        options.add_session_config_entry(setting, value)
    providers: list[str | tuple[str, dict[str, str]]] = [_CPU]
    problem = None
    if is_cuda := device != "cpu":
        problem = _load_cuda_libraries()
        providers.insert(0, (_CUDA, {"device_id": device.partition(":")[2] or "0", **_CUDA_SETTINGS}))
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime's own exceptions share no base class but this
        message = " ".join(str(error).split())
        if is_cuda and "CUDA" in message:
            raise _unusable_cuda(device, message) from error
        raise ModelFolderError(f"{graph} cannot be opened: {message}", PREPARE_AGAIN) from error
    if is_cuda and _CUDA not in session.get_providers():
        raise _unusable_cuda(device, problem or "CNNCLI_DEBUG=1 shows its messages")
    return session


def _load_cuda_libraries() -> str | None:
    """Load those that pip has installed; the first problem, which ONNX Runtime prints to stdout."""
    if not hasattr(onnxruntime, "preload_dlls"):  # before 1.21
        return None
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        onnxruntime.preload_dlls()
    return next((line for line in output.getvalue().splitlines() if line.startswith("Failed")), None)


def _unusable_cuda(device: str, reason: str) -> UsageError:
    return UsageError(
        f"ONNX Runtime cannot use {device}: {reason}",
        "install CUDA and cuDNN (pip install 'onnxruntime-gpu[cuda,cudnn]'), or use --engine torch or --device cpu",
    )
