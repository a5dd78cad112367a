"""The normalisation of pixels as text: `0..1`, `-1..1`, `imagenet`, or `mean 0.5; std 0.25`.

Pixels are divided by 255 first; mean and standard deviation are those of pixels from 0 to 1.
"""

import math
import re

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.text import counted


@frozen_dataclass
class Normalization:
    """Subtracts a mean from pixels scaled to 0..1, and divides by a standard deviation.

    Attributes:
        mean, std: one value per channel, or a single one for all channels.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def for_channels(self, channels: int) -> "Normalization":
        """The same with one value per channel.

        Raises:
            UsageError: it is for another number of channels.
        """
        if wrong := {len(self.mean), len(self.std)} - {1, channels}:
            raise UsageError(
                f"the normalisation {self} is for {max(wrong)} channels, and the input has {counted(channels, 'channel')}",
                "one value is for all channels, e.g. mean 0.5; std 0.25",
            )
        mean, std = (values * channels if len(values) == 1 else values for values in (self.mean, self.std))
        return Normalization(mean, std)

    def __str__(self) -> str:
        """The text that `parse_normalization` reads."""
        if self == IMAGENET:
            return "imagenet"
        if set(self.mean) == {0} and set(self.std) == {1}:
            return "0..1"
        mean, std = (" ".join(map(repr, values)) for values in (self.mean, self.std))
        return f"mean {mean}; std {std}"


IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of red, green and blue in ImageNet."""

_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})")
_MEAN_AND_STD = re.compile(rf"mean((?:[ ,]+{_NUMBER})+)[ ;,]+std((?:[ ,]+{_NUMBER})+)")


def parse_normalization(text: str) -> Normalization:
    """Parse the text of a normalisation.

    Raises:
        UsageError: it is not a normalisation.
    """
    text = text.strip().lower()
    if text == "imagenet":
        return IMAGENET
    if match := _RANGE.fullmatch(text):
        return _to_range(text, *map(float, match.groups()))
    if match := _MEAN_AND_STD.fullmatch(text):
        mean, std = (tuple(map(float, re.findall(_NUMBER, numbers))) for numbers in match.groups())
        return _validate(text, Normalization(mean, std))
    raise _error(text, "unknown normalisation")


def _to_range(text: str, low: float, high: float) -> Normalization:
    """The normalisation that maps black to `low` and white to `high`."""
    if not low < high:
        raise _error(text, "the smaller number comes first in")
    scale = high - low
    return _validate(text, Normalization(((0.0 - low) / scale,), (1 / scale,)))


def _validate(text: str, normalization: Normalization) -> Normalization:
    if not all(math.isfinite(value) for value in normalization.mean):
        raise _error(text, "the mean is not finite in")
    if not all(math.isfinite(value) and value > 0 for value in normalization.std):
        raise _error(text, "the standard deviation is not above 0 in")
    counts = len(normalization.mean), len(normalization.std)
    if len(set(counts) - {1}) > 1:
        raise _error(text, f"{counted(counts[0], 'value')} of the mean, but {counts[1]} of std in")
    return normalization


def _error(text: str, problem: str) -> UsageError:
    return UsageError(
        f"{problem} {text!r}",
        "use 0..1 (pixels divided by 255), -1..1, imagenet, or mean 0.5 0.5 0.5; std 0.25 0.25 0.25",
    )
