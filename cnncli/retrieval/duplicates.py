"""Near duplicates: pairs of images that are near each other in feature space and show the same pixels.

Features propose (`candidates`), pixels decide (`alignment`). Where images cannot be opened, as may be the case with embeddings in a
file, a pair is accepted for its distance alone.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.cores import one_blas_thread
from cnncli.images.decode import Decoding, with_image
from cnncli.images.threads import reading_pool, reading_threads
from cnncli.records.defaults import LEAST_SCORE, UNVERIFIED_DISTANCE
from cnncli.records.features import Vectors
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import ProgressBar
from cnncli.retrieval.alignment import likeness
from cnncli.retrieval.candidates import Pairs, cosine_distances, near_pairs
from cnncli.retrieval.template_matching import SIDE, Scores

_DRAFT = (2 * SIDE, 2 * SIDE)
_BLOCK = 256
"""Pairs that are aligned at a time."""


@frozen_dataclass
class DuplicateOptions:
    """What counts as a near duplicate, and how images are read.

    Attributes:
        max_pixels: larger images are not decoded.
        workers: number of threads.
        within: largest cosine distance; None for any, but for `UNVERIFIED_DISTANCE` where pixels cannot be compared.
        least_score: of pairs whose pixels can be compared.
    """

    max_pixels: int
    workers: int
    within: float | None = None
    least_score: float = LEAST_SCORE

    @property
    def unverified_distance(self) -> float:
        """Largest cosine distance of near duplicates whose pixels cannot be compared."""
        return UNVERIFIED_DISTANCE if self.within is None else self.within


@frozen_dataclass
class EmbeddedImages:
    """N images with their embeddings.

    Attributes:
        sources: the images.
        vectors: (N, D).
    """

    sources: Sequence[ImageSource]
    vectors: Vectors


@frozen_dataclass
class DuplicatePairs:
    """P pairs that are near duplicates.

    Attributes:
        pairs: rows of the images.
        scores: (P,), NaN where the pixels could not be compared.
        distances: (P,), cosine distances.
    """

    pairs: Pairs
    scores: Scores
    distances: NDArray[np.float32]

    def __iter__(self) -> Iterator[tuple[int, int, float, float]]:
        """First and second row, score and distance of each pair."""
        columns = (self.pairs.first, self.pairs.second, self.scores, self.distances)
        return zip(*(column.tolist() for column in columns), strict=True)


@frozen_dataclass
class _Squares:
    """N images as small grey squares.

    Attributes:
        pixels: (N, 48, 48); black where an image was not read.
        is_readable: (N,), whether it was read.
        unreadable: number of images that cannot be read.
    """

    pixels: NDArray[np.uint8]
    is_readable: NDArray[np.bool_]
    unreadable: int


class DuplicateSearch:
    """A collection, or two, whose near duplicates are looked for."""

    def __init__(
        self,
        images: EmbeddedImages,
        others: EmbeddedImages | None,
        options: DuplicateOptions,
        bar: ProgressBar,
    ) -> None:
        """Propose pairs, and read the images that are in one.

        Args:
            images: the collection.
            others: the one that the second image of each pair is of; None for the same.
            options: what counts as a near duplicate.
            bar: opens a progress bar for a number of images.
        """
        self._options, self._bar = options, bar
        self._vectors = (images.vectors, (others or images).vectors)
        self._candidates = near_pairs(images.vectors, others.vectors if others else None, options.workers)
        first, second = self._candidates.first, self._candidates.second
        if others:
            self._squares = (self._read(images.sources, first), self._read(others.sources, second))
        else:
            self._squares = (self._read(images.sources, np.concatenate([first, second])),) * 2

    @property
    def unreadable(self) -> int:
        """Number of images that cannot be opened, though they are near others."""
        different = self._squares[:1] if self._squares[0] is self._squares[1] else self._squares
        return sum(squares.unreadable for squares in different)

    def find(self) -> DuplicatePairs:
        """All pairs that are near duplicates."""
        return self.select(self._candidates)

    def select(self, pairs: Pairs) -> DuplicatePairs:
        """Those of some pairs that are near duplicates."""
        limit = self._options.within
        distances = cosine_distances(*self._vectors, pairs)
        if limit is not None:
            pairs, distances = pairs.select(distances <= limit), distances[distances <= limit]
        scores = self._scores(pairs)
        is_near, is_like = distances <= self._options.unverified_distance, scores >= self._options.least_score
        accepted = np.where(np.isnan(scores), is_near, is_like)
        return DuplicatePairs(pairs.select(accepted), scores[accepted], distances[accepted])

    def _scores(self, pairs: Pairs) -> Scores:
        """(P,): how well the images match; NaN where one of them cannot be opened."""
        ours, theirs = self._squares
        scores = np.full(len(pairs.first), np.nan, np.float32)
        (rows,) = np.nonzero(ours.is_readable[pairs.first] & theirs.is_readable[pairs.second])
        blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]

        def score(block: NDArray[np.intp]) -> Scores:
            first, second = ours.pixels[pairs.first[block]], theirs.pixels[pairs.second[block]]
            is_equal = (first == second).all(axis=(1, 2))  # also where both are of one shade
            return np.where(is_equal, 1, likeness(first.astype(np.float32), second.astype(np.float32)))

        with one_blas_thread(), reading_pool(self._options.workers, "align") as pool:
            for block, values in zip(blocks, pool.map(score, blocks), strict=True):
                scores[block] = values
        return scores

    def _read(self, sources: Sequence[ImageSource], rows: NDArray[np.intp]) -> _Squares:
        """The images of some rows."""
        rows = np.unique(rows)
        pixels = np.zeros((len(sources), SIDE, SIDE), np.uint8)
        is_readable = np.zeros(len(sources), np.bool_)
        decoding = Decoding(1, self._options.max_pixels, lambda _: _DRAFT)
        threads = reading_threads((sources[row] for row in rows), self._options.workers)
        with self._bar(len(rows)) as advance, reading_pool(threads, "squares") as pool:
            squares = pool.map(lambda row: with_image(sources[row], decoding, _square), rows)
            for row, square in zip(rows, squares, strict=True):
                advance()
                if not isinstance(square, Unreadable):
                    pixels[row], is_readable[row] = square, True
        return _Squares(pixels, is_readable, len(rows) - int(is_readable.sum()))


def _square(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
