"""How images go through a network: engine, device, precision, batches."""

import enum
import re
from dataclasses import field

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.records.defaults import MAX_PIXELS


class EngineName(enum.StrEnum):
    """Engines that run a network."""

    AUTO = "auto"
    ONNX = "onnx"
    OPENVINO = "openvino"
    TORCH = "torch"


class Precision(enum.StrEnum):
    """Number format of the computation; results are float32 in any case."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


@frozen_dataclass
class EngineOptions:
    """The requested engine, device and precision.

    Attributes:
        engine: AUTO takes the first of `engines.select.ENGINES` that can run the network.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes CUDA where there is one.
        precision: number format of the computation; not every engine supports each. AUTO is bf16 where that is native, else
            fp32.
    """

    engine: EngineName = EngineName.AUTO
    device: str = "auto"
    precision: Precision = Precision.FP32

    def __post_init__(self) -> None:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", self.device):
            raise UsageError(f"{self.device!r} is not a device", "use auto, cpu, cuda, cuda:1 or mps")


@frozen_dataclass
class InferenceOptions:
    """How images go through a network.

    Attributes:
        engine: engine, device and precision.
        batch_size: images per batch; None leaves it to the engine.
        tta: whether to average over each image and its horizontal flip.
        max_pixels: larger images are not decoded.
        exact_decode: whether to decode large JPEGs at full resolution.
        workers: number of decoding threads; None for one per thread of the engine.
        threads: threads of the engine on the CPU; None for one per core.
    """

    engine: EngineOptions = field(default_factory=EngineOptions)
    batch_size: int | None = None
    tta: bool = False
    max_pixels: int = MAX_PIXELS
    exact_decode: bool = False
    workers: int | None = None
    threads: int | None = None
