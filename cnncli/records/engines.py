"""Which engine runs a network, on which device, in which precision."""

import enum
import re
from dataclasses import dataclass

from cnncli.errors import UsageError


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


@dataclass(frozen=True, slots=True)
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
