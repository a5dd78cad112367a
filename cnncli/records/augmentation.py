"""Data augmentation: what may happen to training images, and presets."""

import enum
from collections.abc import Mapping

from cnncli.dataclass import frozen_dataclass


class AutoAugment(enum.StrEnum):
    """Automatic augmentation policies."""

    NONE = "none"
    RAND = "rand"
    """RandAugment: two random operations at magnitude 9 of 30 (Cubuk et al., 2020)."""

    TRIVIAL = "trivial"
    """TrivialAugment: one random operation at a random magnitude (Müller and Hutter, 2021)."""


class Strength(enum.StrEnum):
    """Augmentation presets."""

    NONE = "none"
    LIGHT = "light"
    MEDIUM = "medium"
    STRONG = "strong"


@frozen_dataclass
class Augmentation:
    """Random changes of training images.

    Attributes:
        scale: smallest and largest share of the image's area in a crop (torchvision's RandomResizedCrop; Szegedy et al.,
            2015).
        ratio: smallest and largest aspect ratio (width to height) of the crop, before it is resized.
        hflip: probability of a horizontal flip.
        vflip: probability of a vertical flip.
        rotate: largest rotation in degrees, in either direction.
        translate: largest shift, as a share of each side.
        color_jitter: largest change of brightness, contrast and saturation, as a share.
        aa: automatic augmentation policy.
        reprob: probability of random erasing (Zhong et al., 2017).
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
        """Whether images are cropped."""
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
