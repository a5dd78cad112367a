"""Options and results of an export."""

import enum
from pathlib import Path

from cnncli.dataclass import frozen_dataclass


class Target(enum.StrEnum):
    """Runtimes that a network is exported for."""

    ONNX = "onnx"
    OPENVINO = "openvino"
    LITERT = "litert"
    """Formerly TensorFlow Lite."""

    EXECUTORCH = "executorch"
    COREML = "coreml"


class Input(enum.StrEnum):
    """Kinds of input of an exported network."""

    UINT8 = "uint8"
    """Images (N, H, W, C) of any size, as in Pillow and NumPy."""

    FLOAT = "float"
    """Preprocessed images (N, C, H, W)."""


class Quantize(enum.StrEnum):
    """Integer types to quantize to."""

    INT8 = "int8"


@frozen_dataclass
class QuantizationCost:
    """The loss in accuracy by quantizing, on images that were not used to calibrate.

    Attributes:
        images: images compared.
        agreement: share of them with the same class as before.
        accuracy_before, accuracy_after: top-1 accuracy; None where the images are not labelled with the network's classes.
    """

    images: int
    agreement: float
    accuracy_before: float | None
    accuracy_after: float | None


@frozen_dataclass
class ExportResult:
    """An exported file, and the results of checking it.

    Attributes:
        file: the file.
        bytes: its size, with that of the files that belong to it.
        original_bytes: size of the compiled network, or of the weights where there is none.
        checked_images: images on which it was compared with predict; 0 where its runtime does not exist on this system.
        max_difference: largest difference of any probability; None where nothing was compared.
        agreement: share of these images with the same class; None likewise.
        quantization: loss in accuracy by quantizing; None if the network was not quantized.
        license: license of the weights; None if unknown.
        target: the runtime that it is for.
        companions: the files beside it that belong to it.
    """

    file: Path
    bytes: int
    original_bytes: int
    checked_images: int
    max_difference: float | None
    agreement: float | None
    quantization: QuantizationCost | None
    license: str | None
    target: Target
    companions: tuple[Path, ...]
