"""scikit-learn's handwritten digits as images."""

from collections.abc import Iterator

from cnncli.data.archives import Picture
from cnncli.errors import UsageError

_SIDE, _SCALE = 32, 3
"""Side of an image in pixels, and the factor by which the 8 x 8 pixels of a digit are enlarged."""

MAX_SHIFT = (_SIDE - 8 * _SCALE) // 2
"""Largest shift of a digit, in pixels, that keeps it within the image."""


def digits(shift: int = 0) -> Iterator[Picture]:
    """The 1,797 digits of 8 x 8 pixels in 17 greys, enlarged to 24 x 24 on 32 x 32.

    Args:
        shift: largest random shift of a digit in pixels, up to `MAX_SHIFT`; each digit is always shifted by the same amount.

    Raises:
        UsageError: the shift is too large.
    """
    if not 0 <= shift <= MAX_SHIFT:
        raise UsageError(f"--shift must be from 0 to {MAX_SHIFT}, not {shift}", "more would cut the digits")
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    dataset = load_digits()
    rng = np.random.default_rng(0)
    for pixels, label in zip(dataset.images, dataset.target, strict=True):
        small = Image.fromarray((pixels * (255 / 16)).round().astype(np.uint8))
        side = 8 * _SCALE
        large = small.resize((side, side), Image.Resampling.BICUBIC)
        left, top = ((_SIDE - side) // 2 + rng.integers(-shift, shift, size=2, endpoint=True)).tolist()
        picture = Image.new("L", (_SIDE, _SIDE))
        picture.paste(large, (left, top))
        yield Picture(str(label), picture)
