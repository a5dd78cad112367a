"""The features of training images that a run keeps, with which `predict --unfamiliar` compares others."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.records.data import Sample

MOST_IMAGES = 2_000
"""Training images, and held-out images, whose features are kept: 5 MB for 1,280 dimensions."""


def choose_training_images(samples: Sequence[Sample], most: int = MOST_IMAGES) -> NDArray[np.intp]:
    """Indices of at most so many images: as equally many of each class as there are, in random order."""
    order = np.random.default_rng(0).permutation(len(samples))
    seen: Counter[tuple[int, tuple[tuple[int, ...] | None, ...]]] = Counter()
    places = np.zeros(len(samples), np.intp)
    for index in order:
        answer = samples[index].label, samples[index].answers
        places[index] = seen[answer]
        seen[answer] += 1
    return order[np.argsort(places[order], kind="stable")][:most]


def choose_held_out_images(count: int, most: int = MOST_IMAGES) -> NDArray[np.intp]:
    """Indices of at most so many of the held-out images, in random order."""
    return np.random.default_rng(0).permutation(count)[:most]
