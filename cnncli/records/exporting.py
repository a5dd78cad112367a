"""What is asked of an export, and what came of it."""

import enum
from dataclasses import dataclass
from pathlib import Path


class Input(enum.StrEnum):
    """What an exported network takes in."""

    UINT8 = "uint8"
    """Images (N, H, W, C) of any size, as Pillow and NumPy have them."""

    FLOAT = "float"
    """Images (N, C, H, W) that are preprocessed already."""


class Quantize(enum.StrEnum):
    """Arithmetic in whole numbers."""

    INT8 = "int8"


@dataclass(frozen=True, slots=True)
class Cost:
    """What fewer bits cost, on the calibration images.

    Attributes:
        images: that were asked about.
        agreeing: share of them that get the same class.
        before, after: share that is named right; None where the images are not labelled with the network's classes.
    """

    images: int
    agreeing: float
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Exported:
    """What came of it.

    Attributes:
        file: that was written.
        bytes: of it.
        former: bytes of the compiled network.
        checked: images on which it was compared with predict.
        difference: of any probability, at most.
        agreeing: share of these images that get the same class.
        cost: of fewer bits; None where there are as many as before.
        license: under which the weights are given; None where that is not known.
    """

    file: Path
    bytes: int
    former: int
    checked: int
    difference: float
    agreeing: float
    cost: Cost | None
    license: str | None
