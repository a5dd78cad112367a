"""Duplicates and near-duplicates among images.

Two images are near-duplicates if their difference hashes differ in few bits and no pixel of their thumbnails differs by much:
by the hash alone, any two images with little detail would be duplicates. Scaling and recompression change neither much;
cropping, mirroring and rotating do.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnncli.dataclass import frozen_dataclass

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

_PREFILTER_VALUES, _PREFILTER_STEP = 8, 37
"""Values of the thumbnails that are compared first: 8 of every 37th, which spread over rows, columns and channels."""

_SAMPLED_IMAGES = 1000
"""Images by which the values are chosen."""


@frozen_dataclass
class Fingerprint:
    """A compact description of an image.

    Attributes:
        bits: (128,) bool, the difference hash: whether each pixel of 8 x 8 is brighter than the one to its right, and than the one
            below.
        colours: (16, 16, 3) uint8, a thumbnail.
    """

    bits: NDArray[np.bool_]
    colours: NDArray[np.uint8]


class FingerprintTable:
    """The fingerprints of many images in 785 bytes per image; images without one are similar to nothing.

    Attributes:
        hashes: (images, 16) uint8, their difference hashes, eight bits per byte.
        colours: (images, 16, 16, 3) uint8, their thumbnails.
        has_fingerprint: (images,) bool, which images have one.
    """

    def __init__(self, size: int) -> None:
        self.hashes = np.zeros((size, _BITS // 8), np.uint8)
        self.colours = np.zeros((size, 2 * _SIDE, 2 * _SIDE, 3), np.uint8)
        self.has_fingerprint = np.zeros(size, np.bool_)

    def __len__(self) -> int:
        return len(self.has_fingerprint)

    def __setitem__(self, index: int, item: Fingerprint) -> None:
        self.hashes[index] = np.packbits(item.bits)
        self.colours[index] = item.colours
        self.has_fingerprint[index] = True


def fingerprint(image: Image.Image) -> Fingerprint | None:
    """The fingerprint of an image; None if the image is of one colour."""
    grey = image.convert("L")
    thumbnail = np.asarray(image.convert("RGB").resize((2 * _SIDE, 2 * _SIDE), Image.Resampling.BOX))
    if thumbnail.std(axis=(0, 1)).max() < _MIN_DEVIATION:
        return None
    small = np.asarray(grey.resize((_SIDE + 1, _SIDE + 1), Image.Resampling.BOX)).astype(np.int16)
    right, below = small[:-1, :-1] > small[:-1, 1:], small[:-1, :-1] > small[1:, :-1]
    return Fingerprint(np.concatenate([right.ravel(), below.ravel()]), thumbnail)


def groups(fingerprints: FingerprintTable, digests: Sequence[str | None]) -> list[list[int]]:
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
        [
            index
            for index in np.flatnonzero(fingerprints.has_fingerprint).tolist()
            if forest.root(index) == index
        ],
        np.intp,
    )
    if not len(distinct):
        return forest.trees()
    thumbnails = fingerprints.colours.reshape(len(fingerprints), -1)
    prefilter = _prefilter(thumbnails)
    for pairs in _pairs_with_similar_hashes(fingerprints.hashes[distinct]):
        for first, second in _alike(distinct[pairs], thumbnails, prefilter):
            forest.join(first, second)
    return forest.trees()


def _prefilter(thumbnails: NDArray[np.uint8]) -> NDArray[np.int16]:
    """A few values of each thumbnail, (values, images): among every 37th those with the largest deviation.

    Args:
        thumbnails: (images, values).
    """
    some = thumbnails[:: max(1, len(thumbnails) // _SAMPLED_IMAGES), ::_PREFILTER_STEP]
    most_varied = np.argsort(-some.std(axis=0))[:_PREFILTER_VALUES] * _PREFILTER_STEP
    return np.ascontiguousarray(thumbnails[:, most_varied].T.astype(np.int16))


def _alike(
    pairs: NDArray[np.intp], thumbnails: NDArray[np.uint8], prefilter: NDArray[np.int16]
) -> Iterator[tuple[int, int]]:
    """Those of the pairs whose thumbnails differ little in every value.

    Args:
        pairs: (pairs, 2) indices of images.
        thumbnails: (images, values).
        prefilter: some of these values, (values, images), in which most pairs already differ.
    """
    for values in prefilter:
        pairs = pairs[np.abs(values[pairs[:, 0]] - values[pairs[:, 1]]) <= MAX_LEVELS]
    for start in range(0, len(pairs), _THUMBNAILS_AT_A_TIME):
        part = pairs[start : start + _THUMBNAILS_AT_A_TIME]
        first, second = thumbnails[part.T]
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
    """Blocks of pairs, (pairs, 2) indices, whose hashes differ in few bits.

    Such hashes are equal in at least one band, so only images with an equal band are compared.

    Args:
        hashes: (images, 16) uint8.
    """
    words, bands = hashes.view(np.uint64), _bands(hashes)
    for number, band in enumerate(bands):
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
                is_ordered = row < column
                pairs = np.stack([first[row[is_ordered]], second[column[is_ordered]]], axis=1)
                for earlier in bands[:number]:  # in which a pair has been found already
                    pairs = pairs[earlier[pairs[:, 0]] != earlier[pairs[:, 1]]]
                if len(pairs):
                    yield pairs


def _bands(hashes: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """The hashes in bands of 16 bits, (8, images) uint16.

    Bits that are the same in almost all images, such as those of a black margin, do not help to distinguish images, and are spread
    evenly over the bands: a band of only such bits would be equal in almost all pairs. Where few bits vary, time still grows with
    the square of the images.
    """
    bits = np.unpackbits(hashes, axis=1)
    share = bits.mean(axis=0)
    most_varied_first = np.argsort(-share * (1 - share), kind="stable")
    spread = most_varied_first.reshape(-1, _BANDS).T.ravel()
    return np.ascontiguousarray(np.packbits(bits.take(spread, axis=1), axis=1).view(np.uint16).T)
