"""Which images are learned from, and which are kept back.

An image's place in the draw depends on the seed and its own path alone: adding images moves few of the others.
"""

import dataclasses
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence

from cnncli.errors import DataError
from cnncli.records.data import DataSet, Sample, Split

_LISTED = 5
"""Names that a message shows before it only counts them."""

_FEWEST_CLASSES = 2


def split_stratified(data: DataSet, val_share: float, seed: int) -> DataSet:
    """The data set with every sample in a split, fit to learn from.

    Where there is a split for validation, it stays as it is; else it is taken from what there is to train on, the same
    share of each class. `test` never stands in for `val`.

    Args:
        data: as it was found.
        val_share: of each class, from 0 to 1.
        seed: of the choice.

    Raises:
        DataError: nothing can be learned from it, or it could not be judged what was learned.
    """
    samples = [
        sample if sample.split else dataclasses.replace(sample, split=Split.TRAIN) for sample in data.samples
    ]
    data = dataclasses.replace(data, samples=tuple(samples))
    if not data.split(Split.TRAIN):
        raise DataError(
            f"{data.root} has nothing to train on", "put the classes into train/, or beside each other"
        )
    if not data.split(Split.VAL):
        held_out = set(_drawn(data, val_share, seed))
        samples = [
            dataclasses.replace(sample, split=Split.VAL) if sample in held_out else sample
            for sample in data.samples
        ]
        data = dataclasses.replace(data, samples=tuple(sorted(samples, key=_order)))
    require_learnable(data)
    return data


def _order(sample: Sample) -> tuple[int, int]:
    return list(Split).index(sample.split or Split.TRAIN), sample.label


def _drawn(data: DataSet, share: float, seed: int) -> Iterator[Sample]:
    """Of each class, those whose digest comes first; at least one where there are two, and never all."""
    classes = defaultdict(list)
    for sample in data.split(Split.TRAIN):
        classes[sample.label].append(sample)
    for samples in classes.values():
        count = min(max(round(share * len(samples)), 1), len(samples) - 1)
        yield from sorted(samples, key=lambda sample: _lot(data.relative(sample.path), seed))[:count]


def _lot(path: str, seed: int) -> bytes:
    """What an image draws, whatever machine it lies on."""
    name = path.replace(os.sep, "/")
    return hashlib.blake2b(f"{seed}\n{name}".encode("utf-8", "surrogateescape"), digest_size=16).digest()


def require_learnable(data: DataSet, *, is_read: bool = False) -> None:
    """See that there are classes to tell apart, images of each to learn from, and some to judge by.

    Args:
        data: in its splits.
        is_read: whether images that cannot be read are left out of it already.

    Raises:
        DataError: there are not.
    """
    if len(data.class_names) < _FEWEST_CLASSES:
        raise DataError(
            f"{data.root} has one class only, {data.class_names[0]!r}: there is nothing to tell apart",
            "give each class a folder of its own",
        )
    training = data.count(Split.TRAIN)
    if not data.split(Split.VAL):
        if is_read:
            raise DataError(
                f"no image of {data.root} that is for validation can be read: nothing would say what was learned",
                "`cnncli check` says why",
            )
        raise DataError(
            f"each class of {data.root} has one image only: none is left to see what was learned",
            "two of each class are the least; give others in val/",
        )
    unknown = [name for name, count in zip(data.class_names, training, strict=True) if not count]
    if unknown:
        raise DataError(
            f"there is nothing to learn {told(unknown)} from: in {data.root} no image for training shows it",
            "classes are matched by name; move images to train/, or take the class out of the others",
        )


def told(names: Sequence[str]) -> str:
    """A few names, and how many more."""
    shown = ", ".join(repr(name) for name in names[:_LISTED])
    return shown + (f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else "")
