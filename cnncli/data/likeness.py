"""Which images are the same, or all but the same.

Two images are near duplicates where their difference hashes differ in few bits, and no pixel of their thumbnails by much:
a hash alone takes any two pictures of little detail for the same. Scaling and recompression leave both as they are;
cropping, mirroring and turning do not.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MOST_BITS = 7
"""Bits of the hash in which near duplicates may differ: one fewer than there are bands, so that one band is equal."""

MOST_LEVELS = 32
"""Largest difference, of 255, of any pixel of their thumbnails in any colour."""

_SIDE = 8
_BANDS = 8
_LEAST_DEVIATION = 4.0
"""Levels of any colour; what varies less is one colour, and is like every other image of one colour."""

_BLOCK = 256
"""Images of one band that are compared with all of it at a time."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What an image looks like, in a few bytes.

    Attributes:
        bits: (128,) bool: whether each pixel of 8 x 8 is brighter than the one to its right, and than the one below.
        colours: (16, 16, 3) uint8, its thumbnail.
    """

    bits: NDArray[np.bool_]
    colours: NDArray[np.uint8]


def fingerprint(image: Image.Image) -> Fingerprint | None:
    """Of an image; None where it is of one colour."""
    grey = image.convert("L")
    thumbnail = np.asarray(image.convert("RGB").resize((2 * _SIDE, 2 * _SIDE), Image.Resampling.BOX))
    if thumbnail.std(axis=(0, 1)).max() < _LEAST_DEVIATION:
        return None
    small = np.asarray(grey.resize((_SIDE + 1, _SIDE + 1), Image.Resampling.BOX)).astype(np.int16)
    right, below = small[:-1, :-1] > small[:-1, 1:], small[:-1, :-1] > small[1:, :-1]
    return Fingerprint(np.concatenate([right.ravel(), below.ravel()]), thumbnail)


def groups(fingerprints: Sequence[Fingerprint | None], digests: Sequence[str | None]) -> list[list[int]]:
    """Indices of images that are alike, directly or through others; each group in ascending order.

    Args:
        fingerprints: None is like nothing.
        digests: of the files; equal ones are alike whatever they look like, None is like nothing.
    """
    forest = _Forest(len(fingerprints))
    first: dict[str, int] = {}
    for index, digest in enumerate(digests):
        if digest:
            forest.join(first.setdefault(digest, index), index)
    distinct = {
        index: item for index, item in enumerate(fingerprints) if item and forest.root(index) == index
    }
    for one, other in _alike(distinct):
        forest.join(one, other)
    return forest.trees()


class _Forest:
    """What belongs together, as trees whose roots stand for all of them."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def root(self, index: int) -> int:
        while self._parents[index] != index:
            self._parents[index] = self._parents[self._parents[index]]
            index = self._parents[index]
        return index

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self._parents[second] = first

    def trees(self) -> list[list[int]]:
        """Those of more than one."""
        found: dict[int, list[int]] = defaultdict(list)
        for index in range(len(self._parents)):
            found[self.root(index)].append(index)
        return [tree for tree in found.values() if len(tree) > 1]


def _alike(fingerprints: Mapping[int, Fingerprint]) -> Iterator[tuple[int, int]]:
    """Pairs that are alike. Those that differ in few bits are equal in one of the bands, and only they are compared."""
    if not fingerprints:
        return
    names = np.array(list(fingerprints))
    packed = np.packbits(np.stack([item.bits for item in fingerprints.values()]), axis=1)
    bands, words = packed.view(np.uint16), packed.view(np.uint64)
    colours = np.stack([item.colours for item in fingerprints.values()]).astype(np.int16)
    for band in range(_BANDS):
        order = np.argsort(bands[:, band], kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(bands[order, band])) + 1):
            for start in range(0, len(bucket) - 1, _BLOCK):
                some = bucket[start : start + _BLOCK]
                bits = np.bitwise_count(words[some, np.newaxis] ^ words[np.newaxis, bucket]).sum(axis=2)
                for row, column in np.argwhere(bits <= MOST_BITS):
                    one, other = some[row], bucket[column]
                    if one < other and np.abs(colours[one] - colours[other]).max() <= MOST_LEVELS:
                        yield int(names[one]), int(names[other])
