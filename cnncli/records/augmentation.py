"""What happens to images while a network learns from them."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class AutoAugment(enum.StrEnum):
    """Operations drawn from a fixed set, with nothing to tune."""

    NONE = "none"
    RAND = "rand"
    """Two operations at a strength of 9 of 30 (Cubuk et al., 2020)."""

    TRIVIAL = "trivial"
    """One operation at any strength (Müller and Hutter, 2021)."""


class Strength(enum.StrEnum):
    """How much training images are changed."""

    NONE = "none"
    LIGHT = "light"
    MEDIUM = "medium"
    STRONG = "strong"


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What happens to training images.

    Attributes:
        scale: least and largest share of the image's area that a view shows (torchvision's RandomResizedCrop; Szegedy et
            al., 2015).
        ratio: least and largest width to height of that part, before it is brought to the network's shape.
        hflip: probability that left and right change places.
        vflip: probability that top and bottom do.
        rotate: largest angle, in degrees, to either side.
        translate: farthest shift, as a share of each side.
        color_jitter: most by which brightness, contrast and saturation change, as a share.
        aa: operations drawn from a set.
        reprob: probability that a rectangle is erased (Zhong et al., 2017).
    """

    scale: tuple[float, float] = (1.0, 1.0)
    ratio: tuple[float, float] = (1.0, 1.0)
    hflip: float = 0.0
    vflip: float = 0.0
    rotate: float = 0.0
    translate: float = 0.0
    color_jitter: float = 0.0
    aa: AutoAugment = AutoAugment.NONE
    reprob: float = 0.0

    @property
    def crops(self) -> bool:
        """Whether a view shows less than the whole image."""
        return self.scale != (1.0, 1.0) or self.ratio != (1.0, 1.0)


_USUAL_RATIO = (3 / 4, 4 / 3)

PRESETS: Mapping[Strength, Augmentation] = {
    Strength.NONE: Augmentation(),
    Strength.LIGHT: Augmentation(scale=(0.5, 1.0), ratio=_USUAL_RATIO, hflip=0.5, color_jitter=0.2),
    Strength.MEDIUM: Augmentation(
        scale=(0.35, 1.0), ratio=_USUAL_RATIO, hflip=0.5, rotate=10, color_jitter=0.3, reprob=0.1
    ),
    Strength.STRONG: Augmentation(
        scale=(0.2, 1.0), ratio=_USUAL_RATIO, hflip=0.5, aa=AutoAugment.RAND, color_jitter=0.3, reprob=0.25
    ),
}
