"""What every engine does. Knows no library."""

import os
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cnncli.images.preprocess import Pixels


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a network says of a batch.

    Attributes:
        logits: (N, K) float32, one score a class, before any softmax.
        embeddings: (N, D) float32, the pooled input of the last weight layer.
    """

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]

    def probabilities(self) -> NDArray[np.float32]:
        """Softmax of each row, (N, K): exp(x_k) / sum of exp(x_j), shifted by the largest so as not to overflow."""
        shifted: NDArray[np.float32] = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        probabilities: NDArray[np.float32] = shifted / shifted.sum(axis=1, keepdims=True)
        return probabilities


class Engine(Protocol):
    """A network that is ready to run."""

    @property
    def batch_size(self) -> int:
        """Images that this engine likes to have at a time."""

    def run(self, pixels: Pixels) -> Outputs:
        """Logits and embeddings of a batch (N, C, H, W) float32, N of any size above zero.

        Raises:
            OutOfMemoryError: the batch is too large for the device.
        """


def usable_cores() -> int:
    """Cores that this process may use: fewer than the machine has under taskset or a cpuset."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
