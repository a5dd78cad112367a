"""What a network computes for the validation images of an epoch, kept for the report and for `predict --unfamiliar`."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from cnncli.dataclass import frozen_dataclass
from cnncli.networks.tensor_files import raise_os_errors
from cnncli.records.data import Sample
from cnncli.training.familiarity import choose_held_out_images
from cnncli.training.network.processes import Processes
from cnncli.training.network.rng import Indices

Floats = NDArray[np.float32]

_HELD_OUT = 200
"""Number of validation images whose embeddings are kept: `--unfamiliar` needs their scores."""


def held_out_images(count: int) -> Indices:
    """Numbers of the validation images whose embeddings are kept, in random order, out of so many images."""
    return choose_held_out_images(count, _HELD_OUT)


@frozen_dataclass
class ValidationOutputs:
    """Outputs of a network for N validation images.

    Attributes:
        logits: (N, K), NaN where an image cannot be read.
        numbers: (V,), the numbers of the images with embeddings: those of `held_out_images` that can be read.
        embeddings: (V, D).
    """

    logits: Floats
    numbers: Indices
    embeddings: Floats

    def join(self, processes: Processes) -> "ValidationOutputs":
        """The outputs of all processes, each of which has those of its share."""
        logits = processes.join(self.logits)
        parts = processes.gather((self.numbers, self.embeddings))
        filled = [part for part in parts if len(part[0])] or parts[:1]
        return ValidationOutputs(
            logits,
            np.concatenate([numbers for numbers, _ in filled]),
            np.concatenate([embeddings for _, embeddings in filled]),
        )

    def write(self, file: Path) -> None:
        """Write them; an OSError if that fails."""
        tensors: dict[str, NDArray[Any]] = {
            "logits": self.logits,
            "numbers": self.numbers,
            "embeddings": self.embeddings,
        }
        with raise_os_errors(file):
            save_file(tensors, file)

    @staticmethod
    def read(file: Path, samples: Sequence[Sample], unreadable: Container[str]) -> "ValidationOutputs | None":
        """What was written; None if the file is missing or damaged or does not fit the images, which have to be run again.

        Args:
            file: written by `write`.
            samples: all N validation images.
            unreadable: paths of images that could not be read; some may have been readable in that epoch.
        """
        try:
            outputs = ValidationOutputs(**load_file(file))
        except (OSError, SafetensorError, TypeError):
            return None
        is_readable = np.array([sample.path not in unreadable for sample in samples], np.bool_)
        logits, numbers = outputs.logits, outputs.numbers
        if len(logits) != len(samples) or not np.isfinite(logits[is_readable]).all():
            return None
        if (
            len(numbers) != len(outputs.embeddings)
            or not np.isin(numbers, held_out_images(len(samples))).all()
        ):
            return None
        logits[~is_readable] = np.nan
        is_kept = is_readable[numbers]
        return ValidationOutputs(logits, numbers[is_kept], outputs.embeddings[is_kept])

    def rows(self) -> Floats:
        """Logits and embeddings (V, K + D) of the images with embeddings."""
        return np.concatenate([self.logits[self.numbers], self.embeddings], axis=1)
