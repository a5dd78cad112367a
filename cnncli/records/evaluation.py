"""How good a classifier was found to be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A share of images that were named right.

    Attributes:
        right: images.
        images: of how many.
        low, high: ends of the share's 95 % interval.
    """

    right: int
    images: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.right / self.images
