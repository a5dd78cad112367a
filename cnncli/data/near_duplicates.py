"""Duplicates and near-duplicates among images.

Two images are near-duplicates if their difference hashes differ in few bits and no pixel of their thumbnails differs by much:
by the hash alone, any two images with little detail would be duplicates. Scaling and recompression change neither much;
cropping, mirroring and rotating do.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_BITS = 7
"""Bits of the hash in which near-duplicates may differ: one fewer than there are bands, so that one band is equal."""

MAX_LEVELS = 32
"""Largest difference (of 255) between their thumbnails, in any pixel and colour channel."""

_SIDE = 8
_BITS = 2 * _SIDE * _SIDE
_BANDS = 8
_MIN_DEVIATION = 4.0
"""Standard deviation in levels; an image below it in all channels is of one colour, and would resemble every other such image."""

_PAIRS_AT_A_TIME = 1 << 20
"""Pairs whose hashes are compared at a time, which bounds the memory used."""

_THUMBNAILS_AT_A_TIME = 1 << 12
"""Pairs whose whole thumbnails are compared at a time."""

_GLANCES, _GLANCE_STEP = 8, 37
"""Values of the thumbnails that are compared first: those of every 37th, which is in another row and channel, that vary most."""


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


class Fingerprints:
    """The fingerprints of many images in 785 bytes per image; images without one are similar to nothing.

    Attributes:
        hashes: (images, 16) uint8, their difference hashes, eight bits per byte.
        colours: (images, 16, 16, 3) uint8, their thumbnails.
        is_known: (images,) bool, which images have one.
    """

    def __init__(self, size: int) -> None:
        self.hashes = np.zeros((size, _BITS // 8), np.uint8)
        self.colours = np.zeros((size, 2 * _SIDE, 2 * _SIDE, 3), np.uint8)
        self.is_known = np.zeros(size, np.bool_)

    def __len__(self) -> int:
        return len(self.is_known)

    def __setitem__(self, index: int, item: Fingerprint) -> None:
        self.hashes[index] = np.packbits(item.bits)
        self.colours[index] = item.colours
        self.is_known[index] = True


def fingerprint(image: Image.Image) -> Fingerprint | None:
    """The fingerprint of an image; None if the image is of one colour."""
    grey = image.convert("L")
    thumbnail = np.asarray(image.convert("RGB").resize((2 * _SIDE, 2 * _SIDE), Image.Resampling.BOX))
    if thumbnail.std(axis=(0, 1)).max() < _MIN_DEVIATION:
        return None
    small = np.asarray(grey.resize((_SIDE + 1, _SIDE + 1), Image.Resampling.BOX)).astype(np.int16)
    right, below = small[:-1, :-1] > small[:-1, 1:], small[:-1, :-1] > small[1:, :-1]
    return Fingerprint(np.concatenate([right.ravel(), below.ravel()]), thumbnail)


def groups(fingerprints: Fingerprints, digests: Sequence[str | None]) -> list[list[int]]:
    """Groups of indices of similar images, directly or through others; each in ascending order.

    Args:
        fingerprints: of the images.
        digests: of the files; images with equal digests are in one group, None is equal to nothing.
    """
    forest = _Forest(len(fingerprints))
    by_digest: dict[str, int] = {}
    for index, digest in enumerate(digests):
        if digest:
            forest.join(by_digest.setdefault(digest, index), index)
    distinct = np.array(
        [index for index in np.flatnonzero(fingerprints.is_known).tolist() if forest.root(index) == index],
        np.intp,
    )
    values = fingerprints.colours.reshape(len(fingerprints), -1)
    glances = _most_varied(values)
    for pairs in _pairs_with_similar_hashes(fingerprints.hashes[distinct]):
        for first, second in _alike(distinct[pairs], values, glances):
            forest.join(first, second)
    return forest.trees()


def _most_varied(values: NDArray[np.uint8]) -> NDArray[np.int16]:
    """The values in which images differ most, (values, images), of `values` (images, values)."""
    some = values[:: max(1, len(values) // 1000), ::_GLANCE_STEP]
    chosen = np.argsort(-some.std(axis=0))[:_GLANCES] * _GLANCE_STEP
    return np.ascontiguousarray(values[:, chosen].T.astype(np.int16))


def _alike(
    pairs: NDArray[np.intp], values: NDArray[np.uint8], glances: NDArray[np.int16]
) -> Iterator[tuple[int, int]]:
    """Those of the pairs (pairs, 2) whose thumbnails differ little in every value.

    Args:
        pairs: of images.
        values: of thumbnails, (images, values).
        glances: some of them, (values, images), in which most pairs already differ.
    """
    for glance in glances:
        pairs = pairs[np.abs(glance[pairs[:, 0]] - glance[pairs[:, 1]]) <= MAX_LEVELS]
    for start in range(0, len(pairs), _THUMBNAILS_AT_A_TIME):
        part = pairs[start : start + _THUMBNAILS_AT_A_TIME]
        first, second = values[part.T]
        difference = np.maximum(first, second) - np.minimum(first, second)
        yield from part[difference.max(axis=1) <= MAX_LEVELS].tolist()


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


def _pairs_with_similar_hashes(hashes: NDArray[np.uint8]) -> Iterator[NDArray[np.intp]]:
    """The pairs, (pairs, 2) indices, whose hashes differ in few bits: these are equal in one of the bands, and only such are compared.

    Args:
        hashes: (images, 16) uint8.
    """
    if not len(hashes):
        return
    words = hashes.view(np.uint64)
    for band in _bands(hashes).T:
        order = np.argsort(band, kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(band[order])) + 1):
            rows = max(1, _PAIRS_AT_A_TIME // len(bucket))
            for start in range(0, len(bucket) - 1, rows):
                first, second = bucket[start : start + rows], bucket[start:]
                bits = sum(
                    np.bitwise_count(first_word[:, np.newaxis] ^ second_word)
                    for first_word, second_word in zip(words[first].T, words[second].T, strict=True)
                )
                row, column = np.nonzero(bits <= MAX_BITS)
                is_once = row < column
                if is_once.any():
                    yield np.stack([first[row[is_once]], second[column[is_once]]], axis=1)


def _bands(hashes: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Each hash in bands of 16 bits, (images, 8) uint16.

    Bits that are the same in almost all images, such as those of a black margin, tell no images apart. They are dealt out to
    all bands: a band of only such bits would be equal in almost all pairs.
    """
    bits = np.unpackbits(hashes, axis=1)
    share = bits.mean(axis=0)
    by_variance = np.argsort(share * (share - 1), kind="stable")
    dealt_out = by_variance.reshape(-1, _BANDS).T.ravel()
    return np.packbits(bits.take(dealt_out, axis=1), axis=1).view(np.uint16)
