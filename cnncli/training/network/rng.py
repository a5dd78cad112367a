"""All chance of a training: what is drawn depends on the seed and on where it is drawn, never on what was drawn before.

So a run that goes on, from wherever it was killed, draws what it would have drawn; and so do several processes together.
"""

import enum
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


class _For(enum.IntEnum):
    """What is drawn, so that no two things are drawn alike."""

    ORDER = 1
    VIEW = 2
    MIXING = 3
    DROPOUT = 4


def batches(labels: Indices, batch_size: int, seed: int, epoch: int, *, balanced: bool) -> list[Indices]:
    """The images of each step of an epoch, by number: each image once, in batches that differ by one image at most.

    Args:
        labels: (N,), the class of each image.
        batch_size: most images of a batch.
        seed: of the run.
        epoch: from 0.
        balanced: N images are drawn with replacement instead, each class alike often.
    """
    draws = np.random.default_rng([seed, _For.ORDER, epoch])
    count = len(labels)
    if balanced:
        counts = np.bincount(labels)
        chances = 1 / counts[labels]
        order = draws.choice(count, count, p=chances / chances.sum())
    else:
        order = draws.permutation(count)
    return np.array_split(order, -(-count // batch_size))


def of_view(seed: int, epoch: int, number: int) -> np.random.Generator:
    """Where the chance of an image's view in an epoch comes from."""
    return np.random.default_rng([seed, _For.VIEW, epoch, number])


def of_mixing(seed: int, epoch: int, step: int) -> np.random.Generator:
    """Where the chance of mixing a step's images comes from."""
    return np.random.default_rng([seed, _For.MIXING, epoch, step])


def dropout_seed(seed: int, place: Sequence[int]) -> int:
    """Of dropout, at an epoch, step, process and piece of a batch."""
    state = np.random.SeedSequence([seed, _For.DROPOUT, *place]).generate_state(1, np.uint64)
    return int(state[0])
