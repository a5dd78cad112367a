"""All randomness of a training run: a pure function of seed and position, never of earlier random numbers.

So a resumed run draws the same random numbers as an uninterrupted one, and several processes the same as one.
"""

import enum
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


class _Stream(enum.IntEnum):
    """Uses of random numbers, so that no two share a stream."""

    ORDER = 1
    VIEW = 2
    MIXING = 3
    DROPOUT = 4


def batches(
    labels: Indices, batch_size: int, seed: int, epoch: int, *, balanced: bool, least: int = 1
) -> list[Indices]:
    """The numbers of the images of each step of an epoch: each image once, in batches that differ by one image at most.

    Args:
        labels: (N,), the class of each image.
        batch_size: largest number of images of a batch; with `least`, one image more if the last would be alone otherwise.
        seed: the run's random seed.
        epoch: number of the epoch, from 0.
        balanced: draw N images with replacement instead, each class with the same probability.
        least: smallest number of images of a batch, 1 or 2; not kept if there are fewer images than that.
    """
    generator = np.random.default_rng([seed, _Stream.ORDER, epoch])
    count = len(labels)
    if balanced:
        counts = np.bincount(labels)
        weights = 1 / counts[labels]
        order = generator.choice(count, count, p=weights / weights.sum())
    else:
        order = generator.permutation(count)
    return np.array_split(order, max(min(-(-count // batch_size), count // least), 1))


def view_generator(seed: int, epoch: int, number: int) -> np.random.Generator:
    """Random numbers for the augmentation of an image in an epoch."""
    return np.random.default_rng([seed, _Stream.VIEW, epoch, number])


def mixing_generator(seed: int, epoch: int, step: int) -> np.random.Generator:
    """Random numbers for mixing the images of a step."""
    return np.random.default_rng([seed, _Stream.MIXING, epoch, step])


def dropout_seed(seed: int, position: Sequence[int]) -> int:
    """Seed of dropout at (epoch, step, rank, micro-batch)."""
    state = np.random.SeedSequence([seed, _Stream.DROPOUT, *position]).generate_state(1, np.uint64)
    return int(state[0])
