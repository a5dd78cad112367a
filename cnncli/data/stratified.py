"""Stratified splits: choosing the images that are held out.

Whether an image is held out depends on the seed and its own path, so adding images moves few of the others.
"""

import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Iterator

from cnncli.data.groups import require_undivided
from cnncli.data.iterative_stratification import choose_stratified
from cnncli.errors import DataError
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.tasks import Task
from cnncli.text import shortlist

_MIN_CLASSES = 2


def split_stratified(data: DataSet, val_share: float, seed: int) -> DataSet:
    """The data set with every sample in a split, ready for training.

    An existing validation split stays as it is; otherwise the same share of each class is taken from the training images,
    in whole groups if there are some. `test` never stands in for `val`.

    Args:
        data: as read from disk.
        val_share: share of each class that is held out, from 0 to 1.
        seed: of the random choice.

    Raises:
        DataError: there is nothing to train on, nothing could be held out, or a group is in several splits.
    """
    samples = [
        sample if sample.split else dataclasses.replace(sample, split=Split.TRAIN) for sample in data.samples
    ]
    data = dataclasses.replace(data, samples=tuple(samples))
    if not data.split(Split.TRAIN):
        raise DataError(
            f"{data.title} has no training images",
            "put the class folders into train/, or directly into the folder",
        )
    if not data.split(Split.VAL):
        held_out = set(_choose_held_out(data, val_share, seed))
        samples = [
            dataclasses.replace(sample, split=Split.VAL) if sample in held_out else sample
            for sample in data.samples
        ]
        data = dataclasses.replace(data, samples=tuple(sorted(samples, key=_order)))
    require_undivided(data)
    require_learnable(data)
    return data


def _order(sample: Sample) -> tuple[int, int]:
    return list(Split).index(sample.split or Split.TRAIN), sample.label


def _choose_held_out(data: DataSet, share: float, seed: int) -> Iterator[Sample]:
    """Of each class, the samples with the lowest digests; at least one where there are two, and never all. Or whole groups."""
    samples = sorted(data.split(Split.TRAIN), key=lambda sample: _digest(data.relative(sample.path), seed))
    if any(sample.group for sample in samples):
        from cnncli.data.folds import choose_grouped  # only here, since it needs NumPy

        return iter(choose_grouped(data, samples, share, seed))
    classes = [tuple(data.classes_of(sample)) for sample in samples]
    return (samples[index] for index in choose_stratified(classes, share))


def _digest(path: str, seed: int) -> bytes:
    """A digest of the seed and a path, which does not depend on the machine."""
    name = path.replace(os.sep, "/")
    return hashlib.blake2b(f"{seed}\n{name}".encode("utf-8", "surrogateescape"), digest_size=16).digest()


def require_learnable(data: DataSet, *, is_read: bool = False) -> None:
    """Raise an error unless there are two classes, training images of each, and validation images; of each task.

    Args:
        data: with its splits.
        is_read: whether unreadable images have already been left out.

    Raises:
        DataError: something is missing.
    """
    if len(data.class_names) < _MIN_CLASSES and not data.tasks:
        raise DataError(
            f"{data.title} has only one class, {data.class_names[0]!r}", "give each class a folder of its own"
        )
    if not data.split(Split.VAL):
        if is_read:
            raise DataError(f"no validation image of {data.title} can be read", "`cnncli check` says why")
        raise DataError(
            f"each class of {data.title} has only one image, so none can be held out for validation",
            "add images until each class has two, or put others into val/",
        )
    training = data.count(Split.TRAIN)
    missing = [name for name, count in zip(data.class_names, training, strict=True) if not count]
    if missing:
        raise DataError(
            f"{data.title} has no training image of {shortlist(missing)}",
            "add images of it to the training split, or remove its label or its indicator column"
            if data.tasks
            else "classes are matched by name; add images to the training split, or remove the class from the other splits",
        )
    for place, task in enumerate(data.tasks):
        _require_learnable_task(data, task, place)


def _require_learnable_task(data: DataSet, task: Task, place: int) -> None:
    """Raise DataError unless a task has validation images, and training images that differ.

    Args:
        data: with its splits; each class has training images.
        task: one of its tasks.
        place: of the task among all.
    """
    if all(sample.answers[place] is None for sample in data.split(Split.VAL)):
        raise DataError(
            f"no validation image of {data.title} has a known label in {task.name!r}",
            "add labels, or leave the column out",
        )
    answers = [answer for sample in data.split(Split.TRAIN) if (answer := sample.answers[place]) is not None]
    counts = Counter(index for answer in answers for index in answer)
    if constant := [name for index, name in enumerate(task.class_names) if counts[index] == len(answers)]:
        raise DataError(
            f"every training image of {data.title} has the label {constant[0]!r} in {task.name!r}: nothing can be learned",
            "add images without it, or leave it out",
        )
