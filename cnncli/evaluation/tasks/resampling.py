"""Metrics of a task with several answers in bootstrap resamples of its images, for their 95 % intervals.

A resample is a weight per image: how often it was drawn. All metrics are computed for many resamples at once; average
precision equals scikit-learn's with these `sample_weight`. Two networks on the same images get the same resamples, so that
their differences are paired.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.evaluation.metrics import bootstrap_counts

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Values = NDArray[np.float32]


@frozen_dataclass
class Resamples:
    """Metrics in B resamples.

    Attributes:
        average_precision: (B, K); NaN where no image of a resample has the class.
        micro, macro: (B, 3), precision, recall and F1.
        sample_means: (B, M), means over the images of values that each image has.
    """

    average_precision: Values
    micro: Values
    macro: Values
    sample_means: Values

    @property
    def mean_average_precision(self) -> Values:
        """(B,): the mean over the classes that occur in a resample; NaN where none does."""
        return mean_where_known(self.average_precision)


def mean_where_known(values: Values) -> Values:
    """(B,): the mean of each row of (B, K) without its NaN; NaN where a row has nothing else."""
    is_known = ~np.isnan(values)
    sums = np.where(is_known, values, 0).sum(axis=1)
    return _divide(sums, is_known.sum(axis=1), np.nan)


def resample(
    shares: Values, targets: Values, predicted: NDArray[np.bool_], sample_values: NDArray[np.float64]
) -> Resamples:
    """Metrics in bootstrap resamples of N images.

    Args:
        shares: probabilities (N, K).
        targets: (N, K), 1 for a class of the image, else 0.
        predicted: (N, K), whether a class is predicted.
        sample_values: (N, M), values of each image to be averaged.
    """
    rankings = _rankings(shares, targets)
    counts = np.stack([targets, predicted, targets * predicted]).astype(np.float32)
    values = sample_values.astype(np.float32)
    batches = [
        (
            _average_precision(rankings, weights),
            *_averages(weights.T @ counts),
            weights.T @ values / len(weights),
        )
        for weights in _weights(len(shares))
    ]
    return Resamples(*map(np.concatenate, zip(*batches, strict=True)))


def resample_average_precision(shares: Values, targets: Values) -> Values:
    """(B, K): the average precision of each class in bootstrap resamples of images; NaN where none has the class."""
    rankings = _rankings(shares, targets)
    return np.concatenate([_average_precision(rankings, weights) for weights in _weights(len(shares))])


def _rankings(shares: Values, targets: Values) -> "list[_Ranking]":
    """The ranking of the images by each class, from (N, K)."""
    return [_Ranking.of(column, labels) for column, labels in zip(shares.T, targets.T, strict=True)]


def _average_precision(rankings: "Sequence[_Ranking]", weights: Values) -> Values:
    """(B, K): the average precision of each class, from weights (N, B)."""
    return np.stack([ranking.average_precision(weights) for ranking in rankings], axis=1)


def _weights(images: int) -> Iterator[Values]:
    """(N, B) at a time: how often each image is in each resample."""
    for draws in bootstrap_counts(np.ones(images, np.intp)):
        yield np.ascontiguousarray(draws.T, np.float32)


def _averages(counts: Values) -> tuple[Values, Values]:
    """Micro and macro precision, recall and F1, each (B, 3), from images with label, prediction, both: (3, B, K)."""
    support, predicted, correct = counts
    occurring = (support > 0).sum(axis=1)
    macro = _scores(support, predicted, correct) * (support > 0)
    micro = _scores(*(count.sum(axis=1) for count in counts))
    return micro.T, _divide(macro.sum(axis=2), occurring, 0.0).T


def _scores(support: Values, predicted: Values, correct: Values) -> Values:
    """Precision, recall and F1 from counts."""
    return np.stack(
        [
            _divide(correct, predicted, 0.0),
            _divide(correct, support, 0.0),
            _divide(2 * correct, support + predicted, 0.0),
        ]
    )


def _divide(numbers: Values, divisors: NDArray[np.floating | np.integer], otherwise: float) -> Values:
    """Quotients; `otherwise` where the divisor is 0."""
    result = np.full(np.broadcast_shapes(numbers.shape, divisors.shape), otherwise, np.float32)
    np.divide(numbers, divisors, out=result, where=divisors > 0, casting="same_kind")
    return result


@frozen_dataclass
class _Ranking:
    """The images by falling probability of a class, in steps that each end with all images of a probability that one of the class has.

    Attributes:
        added: (S, N) sparse, 1 for the images that each of S steps adds.
        hits: (S, N) sparse, 1 for those of them that have the class.
    """

    added: "csr_array"
    hits: "csr_array"

    @classmethod
    def of(cls, shares: Values, labels: Values) -> "_Ranking":
        """The ranking of N images by probabilities (N,), given which have the class, (N,)."""
        positives = np.flatnonzero(labels)
        values = np.unique(-shares[positives])
        steps = np.searchsorted(
            values, -shares
        )  # of each image; those less probable than any of the class are in none
        return cls(
            _indicator(steps, np.flatnonzero(steps < len(values)), len(values)),
            _indicator(steps, positives, len(values)),
        )

    def average_precision(self, weights: Values) -> Values:
        """(B,): the sum over steps of precision times what the step adds to recall, from weights (N, B)."""
        if not self.hits.shape[0]:
            return np.full(weights.shape[1], np.nan, np.float32)
        gains = self.hits @ weights
        found, seen = gains.cumsum(axis=0), (self.added @ weights).cumsum(axis=0)
        return _divide((_divide(found, seen, 0.0) * gains).sum(axis=0), found[-1], np.nan)


def _indicator(steps: NDArray[np.intp], images: NDArray[np.intp], count: int) -> "csr_array":
    """(S, N) sparse for `count` steps: 1 where an image is added, from the step of each image (N,) and the images to include."""
    from scipy.sparse import csr_array

    ones = np.ones(len(images), np.float32)
    return csr_array((ones, (steps[images], images)), shape=(count, len(steps)))
