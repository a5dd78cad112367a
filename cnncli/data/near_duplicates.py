"""Duplicates and near-duplicates among images.

Two images are near-duplicates if their difference hashes differ in few bits and no pixel of their thumbnails differs by much:
by the hash alone, any two images with little detail would be duplicates. Scaling and recompression change neither much;
cropping, mirroring and rotating do.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_BITS = 7
"""Bits of the hash in which near-duplicates may differ: one fewer than there are bands, so that one band is equal."""

MAX_LEVELS = 32
"""Largest difference (of 255) between their thumbnails, in any pixel and colour channel."""

_SIDE = 8
_BANDS = 8
_MIN_DEVIATION = 4.0
"""Standard deviation in levels; an image below it in all channels is of one colour, and would resemble every other such image."""

_BLOCK = 256
"""Images of a bucket that are compared with the whole bucket at a time."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A compact description of an image.

    Attributes:
        bits: (128,) bool, the difference hash: whether each pixel of 8 x 8 is brighter than the one to its right, and than the one
            below.
        colours: (16, 16, 3) uint8, a thumbnail.
    """

    bits: NDArray[np.bool_]
    colours: NDArray[np.uint8]


def fingerprint(image: Image.Image) -> Fingerprint | None:
    """The fingerprint of an image; None if the image is of one colour."""
    grey = image.convert("L")
    thumbnail = np.asarray(image.convert("RGB").resize((2 * _SIDE, 2 * _SIDE), Image.Resampling.BOX))
    if thumbnail.std(axis=(0, 1)).max() < _MIN_DEVIATION:
        return None
    small = np.asarray(grey.resize((_SIDE + 1, _SIDE + 1), Image.Resampling.BOX)).astype(np.int16)
    right, below = small[:-1, :-1] > small[:-1, 1:], small[:-1, :-1] > small[1:, :-1]
    return Fingerprint(np.concatenate([right.ravel(), below.ravel()]), thumbnail)


def groups(fingerprints: Sequence[Fingerprint | None], digests: Sequence[str | None]) -> list[list[int]]:
    """Groups of indices of similar images, directly or through others; each in ascending order.

    Args:
        fingerprints: of the images; None is similar to nothing.
        digests: of the files; images with equal digests are in one group, None is equal to nothing.
    """
    forest = _Forest(len(fingerprints))
    by_digest: dict[str, int] = {}
    for index, digest in enumerate(digests):
        if digest:
            forest.join(by_digest.setdefault(digest, index), index)
    distinct = {
        index: item for index, item in enumerate(fingerprints) if item and forest.root(index) == index
    }
    for first, second in _similar_pairs(distinct):
        forest.join(first, second)
    return forest.trees()


class _Forest:
    """Disjoint sets of indices, as trees whose roots represent them."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def root(self, index: int) -> int:
        while self._parents[index] != index:
            self._parents[index] = self._parents[self._parents[index]]
            index = self._parents[index]
        return index

    def join(self, index: int, other: int) -> None:
        first, second = sorted((self.root(index), self.root(other)))
        self._parents[second] = first

    def trees(self) -> list[list[int]]:
        """The sets with more than one index."""
        members: dict[int, list[int]] = defaultdict(list)
        for index in range(len(self._parents)):
            members[self.root(index)].append(index)
        return [tree for tree in members.values() if len(tree) > 1]


def _similar_pairs(fingerprints: Mapping[int, Fingerprint]) -> Iterator[tuple[int, int]]:
    """Similar pairs. Hashes that differ in few bits are equal in one of the bands, and only those are compared."""
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
                rows = bucket[start : start + _BLOCK]
                bits = np.bitwise_count(words[rows, np.newaxis] ^ words[np.newaxis, bucket]).sum(axis=2)
                for row, column in np.argwhere(bits <= MAX_BITS):
                    first, second = rows[row], bucket[column]
                    if first < second and np.abs(colours[first] - colours[second]).max() <= MAX_LEVELS:
                        yield int(names[first]), int(names[second])
