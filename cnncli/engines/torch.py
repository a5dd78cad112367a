"""model.safetensors on any device that torch supports.

For GPUs, for other precisions, and for networks that could not be compiled.
"""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch

from cnncli.engines.cores import usable_cores
from cnncli.engines.engine import GPU_BATCH_SIZE, EngineRequest, Outputs
from cnncli.errors import OutOfMemoryError, UsageError
from cnncli.images.preprocess import Pixels
from cnncli.networks import zoo
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.zoo import weights
from cnncli.networks.zoo.embedding import WithEmbedding, WithLayerOutput, with_embedding
from cnncli.records.engines import Precision
from cnncli.text import counted

CPU_BATCH_SIZE = 8

_BF16 = ("avx512_bf16", "amx_bf16", "bf16")
"""Names of native bf16 support on x86 and ARM; on other x86 processors with AVX-512 oneDNN accepts bf16 but computes in fp32."""

_DTYPES = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}


def open_engine(request: EngineRequest) -> "TorchEngine":
    """Open the network of a model folder on any device, with any layer's output as the embedding."""
    return TorchEngine(request.folder, request.device, request.precision, request.threads, request.layer)


def describe() -> str:
    """What torch can do here, for `cnncli doctor`."""
    return f"runs networks on {', '.join(devices())}"


class TorchEngine:
    """A network in evaluation mode, channels last."""

    def __init__(
        self,
        folder: ModelFolder,
        device: str,
        precision: Precision,
        threads: int | None = None,
        layer: str | None = None,
    ) -> None:
        """Build the network of a model folder and load its weights.

        Args:
            folder: the network.
            device: `cpu`, `cuda`, `cuda:1`, `mps`.
            precision: number format of the computation.
            threads: threads of one run on the CPU; None for all usable cores.
            layer: name of the layer whose output becomes the embedding; None takes the input of the last layer.

        Raises:
            UsageError: the device or the layer does not exist.
            WeightsError: the weights do not fit the network.
        """
        self._device = require_device(device)
        self._precision, self._dtype = precision, _DTYPES[precision]
        torch.set_num_threads(threads or usable_cores())
        # By default torch computes fp32 convolutions on a GPU in TF32, with 10 bits of mantissa.
        torch.backends.cudnn.allow_tf32 = precision is not Precision.FP32
        network = zoo.build(folder.card.architecture)
        weights.load_saved(network, folder.weights)
        preprocessing = folder.card.preprocessing
        shape = (preprocessing.channels, *preprocessing.size)
        if layer:
            wrapped: WithLayerOutput | WithEmbedding = WithLayerOutput(network, layer).eval()
        else:
            wrapped = with_embedding(network, shape, has_last_layer=bool(folder.card.embedding.layer))
        self._network = wrapped.to(self._device).to(memory_format=torch.channels_last)

    def __str__(self) -> str:
        """Engine, device and precision, for `--verbose`."""
        return f"torch {torch.__version__} on {self._device}, {self._precision}"

    @property
    def batch_size(self) -> int:
        """Preferred number of images per batch."""
        return CPU_BATCH_SIZE if self._device.type == "cpu" else GPU_BATCH_SIZE

    def run(self, pixels: Pixels) -> Outputs:
        """Logits and embeddings of a batch (N, C, H, W) float32.

        Raises:
            OutOfMemoryError: the batch is too large for the device.
        """
        with _translate_out_of_memory(len(pixels)), torch.inference_mode(), self._autocast():
            images = torch.from_numpy(pixels).to(self._device, memory_format=torch.channels_last)
            logits, embeddings = self._network(images)
            return Outputs(_array(logits), _array(embeddings))

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self._dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, self._dtype)


def devices() -> list[str]:
    """The devices of this machine by their torch names, each with a description."""
    names = [f"cpu ({counted(torch.get_num_threads(), 'thread')})"]
    names += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    return [*names, "mps"] if torch.backends.mps.is_available() else names


def cuda_is_available() -> bool:
    """Whether torch finds a CUDA device."""
    return torch.cuda.is_available()


def has_bf16(name: torch.device | str) -> bool:
    """Whether a device computes in bf16 natively; False for a GPU where there is none."""
    device = torch.device(name)
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():  # noqa: SLF001 - the only way to ask
        return False
    return any(torch.cpu.get_capabilities().get(name) for name in _BF16)


def _array(tensor: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    array: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = tensor.float().cpu().numpy()
    return array


def require_device(name: str) -> torch.device:
    """The device with this name.

    Raises:
        UsageError: it does not exist.
    """
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise UsageError(
                f"there is no device {name}: torch finds {count} CUDA devices", "use --device cpu"
            )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("there is no device mps: torch finds no Apple GPU", "use --device cpu")
    return device


@contextlib.contextmanager
def _translate_out_of_memory(images: int) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            f"out of memory with a batch of {images}", "use a smaller --batch-size"
        ) from error


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether memory ran out: CUDA has an exception for it, the CPU's allocator and MPS only a message."""
    message = str(error).lower()
    is_named = isinstance(error, torch.OutOfMemoryError)
    return is_named or "out of memory" in message or "can't allocate memory" in message
