"""`--folds`: the score of classifiers on features in each of several folds, whose spread says how far a single split can be trusted."""

import dataclasses
from collections.abc import Callable

import numpy as np

from cnncli.data.folds import Indices, group_numbers, groups_per_class, main_classes, stratified_folds
from cnncli.data.stratified import require_learnable
from cnncli.errors import DataError
from cnncli.records.data import DataSet, Split
from cnncli.records.evaluation import FoldScore
from cnncli.text import counted
from cnncli.training.features.embeddings import EmbeddedData, EmbeddedSplit


def require_enough(data: DataSet, count: int) -> None:
    """Raise DataError unless there is a training or validation image of each class, of another group, for every fold.

    Args:
        data: with its splits.
        count: number of folds.
    """
    samples = [*data.split(Split.TRAIN), *data.split(Split.VAL)]
    groups, labels = group_numbers(samples), main_classes(data, samples)
    for label, own in enumerate(groups_per_class(labels, groups, len(data.class_names)).tolist()):
        if 0 < own < count:
            things = counted(own, "image" if groups is None else "group")
            raise DataError(
                f"--folds {count} needs {count} {'images' if groups is None else 'groups'} of each class, "
                f"and {data.class_names[label]!r} of {data.title} has only {things}",
                f"--folds {own}" if own > 1 else "leave --folds out",
            )


def cross_validate(
    embedded: EmbeddedData, count: int, seed: int, score: Callable[[EmbeddedData], float]
) -> tuple[FoldScore, ...]:
    """The score in each fold of the training and validation images.

    Args:
        embedded: the data and its embeddings.
        count: number of folds.
        seed: random seed of the folds.
        score: fits classifiers to the training images, and returns the best one's score on the validation images.

    Raises:
        DataError: there are fewer images of a class than folds.
    """
    require_enough(embedded.data, count)
    pool = embedded.splits[Split.TRAIN].joined(embedded.splits[Split.VAL])
    folds = stratified_folds(main_classes(embedded.data, pool.samples), pool.groups, count, seed)
    return tuple(
        FoldScore(len(held_out), score(_fold_data(embedded, pool, train, held_out)))
        for train, held_out in folds
    )


def _fold_data(
    embedded: EmbeddedData, pool: EmbeddedSplit, train: Indices, held_out: Indices
) -> EmbeddedData:
    """The data of a fold, without a test split."""
    rows = {Split.TRAIN: train, Split.VAL: held_out, Split.TEST: np.array([], np.intp)}
    splits = {split: pool.subset(indices, split) for split, indices in rows.items()}
    samples = tuple(sample for part in splits.values() for sample in part.samples)
    data = dataclasses.replace(embedded.data, samples=samples)
    require_learnable(data, is_read=True)
    return EmbeddedData(data, embedded.full_data, splits, ())
