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


def groups_per_class(labels: Indices, groups: Indices | None, classes: int) -> Indices:
    """(K,), the number of groups that images of each class are in; of images where there are no groups.

    Args:
        labels: (N,), class index of each image; those below 0 do not count.
        groups: (N,), number of each image's group; None for no groups.
        classes: K.
    """
    units = np.arange(len(labels)) if groups is None else groups
    pairs = np.unique(np.stack([labels, units])[:, labels >= 0], axis=1)
    return np.bincount(pairs[0], minlength=classes)


def stratified_folds(labels: Indices, groups: Indices | None, count: int, seed: int) -> list[Fold]:
    """The folds of scikit-learn's StratifiedKFold, or StratifiedGroupKFold; only the latter imports it, which takes a second.

    Args:
        labels: (N,), class index of each image.
        groups: (N,), number of each image's group; None for no groups.
        count: number of folds, at least 2; there are fewer if there are fewer groups, or images of the largest class.
        seed: of the order.
    """
    largest = int(np.unique(labels, return_counts=True)[1].max())
    own = len(labels) if groups is None else len(np.unique(groups))
    count = max(min(count, largest, own), _MIN_FOLDS)
    if groups is None:
        numbers = _stratified_numbers(labels, count, seed)
    else:
        numbers = _grouped_numbers(labels, groups, count, seed)
    folds = [
        (np.flatnonzero(numbers != number), np.flatnonzero(numbers == number)) for number in range(count)
    ]
    return [fold for fold in folds if len(fold[1])]


def _stratified_numbers(labels: Indices, count: int, seed: int) -> Indices:
    """(N,), the fold that holds out each image.

    The folds take turns, from class to class; which of its images each fold gets is random. For the folds of scikit-learn, the random
    numbers and the order of the classes, in which they first occur, are as there.
    """
    rng = np.random.RandomState(seed)
    numbers = np.empty(len(labels), np.intp)
    turn = 0
    for label in dict.fromkeys(labels.tolist()):
        rows = np.flatnonzero(labels == label)
        folds = np.sort((turn + np.arange(len(rows))) % count)
        rng.shuffle(folds)
        numbers[rows] = folds
        turn += len(rows)
    return numbers


def _grouped_numbers(labels: Indices, groups: Indices, count: int, seed: int) -> Indices:
    """(N,), the fold that holds out each image.

    Images without a companion in their group are distributed separately: StratifiedGroupKFold takes a millisecond for each group.
    """
    numbers = groups % count
    is_alone = np.bincount(groups)[groups] == 1
    numbers[is_alone] = _stratified_numbers(labels[is_alone], count, seed)
    rows = np.flatnonzero(~is_alone)
    largest = max(np.unique(labels[rows], return_counts=True)[1], default=0)
    possible = min(count, int(largest), len(np.unique(groups[rows])))
    if possible >= _MIN_FOLDS:
        from sklearn.model_selection import StratifiedGroupKFold

        splitter = StratifiedGroupKFold(possible, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about classes with fewer images than folds
            for number, (_, held_out) in enumerate(splitter.split(rows, labels[rows], groups[rows])):
                numbers[rows[held_out]] = number
    return numbers


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
    folds = stratified_folds(labels, groups, round(1 / min(share, 1 - share)), seed)
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
