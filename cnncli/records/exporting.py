"""Options and results of an export."""

import enum
from dataclasses import dataclass
from pathlib import Path


class Input(enum.StrEnum):
    """What an exported network takes in."""

    UINT8 = "uint8"
    """Images (N, H, W, C) of any size, as in Pillow and NumPy."""

    FLOAT = "float"
    """Preprocessed images (N, C, H, W)."""


class Quantize(enum.StrEnum):
    """Integer arithmetic."""

    INT8 = "int8"


@dataclass(frozen=True, slots=True)
class QuantizationCost:
    """What quantizing costs, on images that were not used to calibrate.

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
    """An exported file and what checking it showed.

    Attributes:
        file: that was written.
        bytes: its size.
        original_bytes: size of the compiled network.
        checked_images: images on which it was compared with predict.
        max_difference: largest difference of any probability.
        agreement: share of these images with the same class.
        quantization: what quantizing costs; None if it was not quantized.
        license: of the weights; None if unknown.
    """

    file: Path
    bytes: int
    original_bytes: int
    checked_images: int
    max_difference: float
    agreement: float
    quantization: QuantizationCost | None
    license: str | None
