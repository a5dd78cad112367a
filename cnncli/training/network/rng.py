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
    count: int,
    batch_size: int,
    seed: int,
    epoch: int,
    *,
    weights: NDArray[np.float64] | None = None,
    least: int = 1,
) -> list[Indices]:
    """The numbers of the images of each step of an epoch: each image once, in batches that differ by one image at most.

    Args:
        count: number of images.
        batch_size: largest number of images of a batch; with `least`, one image more if the last would be alone otherwise.
        seed: the run's random seed.
        epoch: number of the epoch, from 0.
        weights: (N,), draw N images with replacement instead, each with a probability in proportion to its weight.
        least: smallest number of images of a batch, 1 or 2; not kept if there are fewer images than that.
    """
    generator = np.random.default_rng([seed, _Stream.ORDER, epoch])
    if weights is None:
        order = generator.permutation(count)
    else:
        order = generator.choice(count, count, p=weights / weights.sum())
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
