"""scikit-learn's 1,797 handwritten digits as images: one in each, or two."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cnncli.data.archives import ListedPicture, Picture
from cnncli.data.iterative_stratification import choose_stratified
from cnncli.data.labels import answer_text
from cnncli.errors import UsageError
from cnncli.records.data import Split

if TYPE_CHECKING:
    from PIL import Image

    _Digit = tuple[Image.Image, int]
    """A digit, enlarged, and its number."""

_SIDE, _SCALE = 32, 3
"""Side of an image in pixels, and the factor by which the 8 x 8 pixels of a digit are enlarged."""

_VAL_SHARE = 0.2
"""Share of the digits that only validation images show, where there are splits."""

PAIRS = {Split.TRAIN: 6000, Split.VAL: 1000}
"""Number of images with two digits."""

MAX_SHIFT = (_SIDE - 8 * _SCALE) // 2
"""Largest shift of a digit, in pixels, that keeps it within the image."""


def digits(shift: int = 0) -> Iterator[Picture]:
    """The digits of 8 x 8 pixels in 17 greys, enlarged to 24 x 24 on 32 x 32.

    Args:
        shift: largest random shift of a digit in pixels, up to `MAX_SHIFT`; each digit is always shifted by the same amount.

    Raises:
        UsageError: the shift is too large.
    """
    if not 0 <= shift <= MAX_SHIFT:
        raise UsageError(f"--shift must be from 0 to {MAX_SHIFT}, not {shift}", "more would cut the digits")
    import numpy as np

    rng = np.random.default_rng(0)
    for digit, label in _load(_SCALE):
        left, top = (MAX_SHIFT + rng.integers(-shift, shift, size=2, endpoint=True)).tolist()
        yield Picture(str(label), _paste({(left, top): digit}))


def digit_tasks() -> Iterator[ListedPicture]:
    """The images of `digits`, with two labels each: the digit, and whether it is above four."""
    for split, members in _split_digits(_load(_SCALE)).items():
        for digit, label in members:
            above_four = "yes" if label > 4 else "no"  # noqa: PLR2004 - what the task is about
            yield ListedPicture((str(label), above_four), split, _paste({(MAX_SHIFT, MAX_SHIFT): digit}))


def two_digits() -> Iterator[ListedPicture]:
    """Two random digits in each image, 16 x 16 in two of its quarters, with both as labels; no digit is in both splits."""
    import numpy as np

    rng = np.random.default_rng(0)
    half = _SIDE // 2
    quarters = [(0, 0), (half, 0), (0, half), (half, half)]
    for split, members in _split_digits(_load(half // 8)).items():
        for _ in range(PAIRS[split]):
            pair = [members[index] for index in rng.choice(len(members), 2, replace=False)]
            places = [quarters[index] for index in rng.choice(4, 2, replace=False)]
            labels = sorted({str(label) for _, label in pair})
            picture = _paste({place: digit for place, (digit, _) in zip(places, pair, strict=True)})
            yield ListedPicture((answer_text(labels),), split, picture)


def _load(scale: int) -> Iterator["_Digit"]:
    """Each digit, enlarged by a factor, and its number."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    dataset = load_digits()
    for pixels, label in zip(dataset.images, dataset.target, strict=True):
        small = Image.fromarray((pixels * (255 / 16)).round().astype(np.uint8))
        yield small.resize((8 * scale, 8 * scale), Image.Resampling.BICUBIC), int(label)


def _split_digits(members: Iterator["_Digit"]) -> dict[Split, list["_Digit"]]:
    """The digits for training and for validation, in a random order, always the same ones."""
    import numpy as np

    every = list(members)
    order = [every[index] for index in np.random.default_rng(0).permutation(len(every)).tolist()]
    held_out = set(choose_stratified([(label,) for _, label in order], _VAL_SHARE))
    return {
        Split.TRAIN: [digit for index, digit in enumerate(order) if index not in held_out],
        Split.VAL: [order[index] for index in sorted(held_out)],
    }


def _paste(parts: Mapping[tuple[int, int], "Image.Image"]) -> "Image.Image":
    """An image with a digit at each (left, top)."""
    from PIL import Image

    picture = Image.new("L", (_SIDE, _SIDE))
    for place, digit in parts.items():
        picture.paste(digit, place)
    return picture
