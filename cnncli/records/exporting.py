"""Options and results of an export."""

import enum
from dataclasses import dataclass
from pathlib import Path


class Input(enum.StrEnum):
    """Kinds of input of an exported network."""

    UINT8 = "uint8"
    """Images (N, H, W, C) of any size, as in Pillow and NumPy."""

    FLOAT = "float"
    """Preprocessed images (N, C, H, W)."""


class Quantize(enum.StrEnum):
    """Integer types to quantize to."""

    INT8 = "int8"


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class ExportResult:
    """An exported file, and the results of checking it.

    Attributes:
        file: the file.
        bytes: its size.
        original_bytes: size of the compiled network.
        checked_images: images on which it was compared with predict.
        max_difference: largest difference of any probability.
        agreement: share of these images with the same class.
        quantization: loss in accuracy by quantizing; None if the network was not quantized.
        license: license of the weights; None if unknown.
    """

    file: Path
    bytes: int
    original_bytes: int
    checked_images: int
    max_difference: float
    agreement: float
    quantization: QuantizationCost | None
    license: str | None
