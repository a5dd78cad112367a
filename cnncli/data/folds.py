"""Folds of labelled images: each image is held out once, classes are as frequent in each as in all, and groups stay together."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.errors import DataError
from cnncli.records.data import DataSet, Sample

Indices = NDArray[np.intp]
Fold = tuple[Indices, Indices]
"""Indices of the images to learn from, and of those that are held out."""

_MIN_FOLDS = 2


def group_numbers(samples: Sequence[Sample]) -> Indices | None:
    """(N,), the number of each image's group, its own where it has none; None where no image has one."""
    if not any(sample.group for sample in samples):
        return None
    names = [sample.group or f"\n{row}" for row, sample in enumerate(samples)]
    return np.unique(names, return_inverse=True)[1]


def stratified_folds(labels: Indices, groups: Indices | None, count: int, seed: int) -> list[Fold]:
    """Folds by scikit-learn's StratifiedKFold, or StratifiedGroupKFold.

    Args:
        labels: (N,), class index of each image.
        groups: (N,), number of each image's group; None for no groups.
        count: number of folds, at least 2; not more than the images of the largest class. There are fewer if there are fewer groups.
        seed: of the order.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if groups is not None:
        count = max(min(count, len(set(groups))), _MIN_FOLDS)
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about classes with fewer images than folds
        return list(kind(count, shuffle=True, random_state=seed).split(labels, labels, groups))


def main_classes(data: DataSet, samples: Sequence[Sample]) -> Indices:
    """(N,), the rarest class of each image, by which folds are stratified; -1 for an image without one."""
    counts = data.count()
    return np.array(
        [min(data.classes_of(sample), key=counts.__getitem__, default=-1) for sample in samples], np.intp
    )


def choose_grouped(data: DataSet, samples: Sequence[Sample], share: float, seed: int) -> list[Sample]:
    """About a share of some images of a data set: whole groups, with each class in both parts if possible.

    The share is 1/n, or 1 - 1/n, for a whole number n.

    Raises:
        DataError: a class would not be left.
    """
    groups, labels = group_numbers(samples), main_classes(data, samples)
    if groups is None or not groups.any():
        raise DataError(
            f"all images of {data.title} are of one group, {samples[0].group!r}: none can be held out",
            "name what tells groups apart",
        )
    count = min(round(1 / min(share, 1 - share)), int(np.unique(labels, return_counts=True)[1].max()))
    folds = stratified_folds(labels, groups, max(count, _MIN_FOLDS), seed)
    if share > 1 / 2:
        folds = [(held_out, rest) for rest, held_out in folds]
    rest, held_out = min(folds, key=lambda fold: _shortcomings(fold, labels, share))
    if missing := sorted(set(labels) - set(labels[rest]) - {-1}):
        own = len(set(groups[labels == missing[0]]))
        raise DataError(
            f"{data.title} cannot be split by group: {data.class_names[missing[0]]!r} is in {own:,} of {len(set(groups)):,} groups",
            "group by what differs more within a class, or give the splits yourself",
        )
    return [samples[row] for row in held_out]


def _shortcomings(fold: Fold, labels: Indices, share: float) -> tuple[int, int, float]:
    """How many classes a fold does not learn, how many it does not hold out, and how far it is from the share."""
    learned, held_out = (len(set(labels[part])) for part in fold)
    return -learned, -held_out, abs(len(fold[1]) / len(labels) - share)
