"""What a network achieves on the validation split, after each epoch."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.records.predictions import Unreadable
from cnncli.training.network.batches import ImageStore, iterate_batches
from cnncli.training.network.pixels import Normalize
from cnncli.training.network.processes import Processes
from cnncli.training.network.supervision import Labels, Supervision
from cnncli.training.network.tallies import ValidationFigures

_LARGEST = 256 * 2**20
"""Largest size in bytes of the logits of all validation images that are kept."""


@frozen_dataclass
class ValidationResult:
    """What a network achieves on the validation images.

    Attributes:
        figures: of all processes' images.
        logits: (N, K), of this process's images, NaN where one cannot be read; None if they are too many to keep, or inexact.
    """

    figures: ValidationFigures
    logits: NDArray[np.float32] | None


@frozen_dataclass
class Validation:
    """The validation of a network on the images of all processes.

    Attributes:
        images: the images, resized and cropped as in prediction.
        labels: those of all processes' images.
        classes: K, the number of classes.
        supervision: how the labels are compared with logits.
        batch_size: images per batch.
        workers: threads that read images.
        normalize: converts pixels to tensors.
        processes: the processes, each of which validates its share.
    """

    images: ImageStore
    labels: Labels
    classes: int
    supervision: Supervision
    batch_size: int
    workers: int
    normalize: Normalize
    processes: Processes

    def run(
        self, network: nn.Module, warn_unreadable: Callable[[dict[int, Unreadable]], None]
    ) -> ValidationResult:
        """Validate a network.

        Args:
            network: the network, which is put into evaluation mode.
            warn_unreadable: called with images that cannot be read, by number.

        Raises:
            DataError: no image can be read.
        """
        numbers = self.processes.slice(np.arange(len(self.labels)))
        batches = np.array_split(numbers, max(-(-len(numbers) // self.batch_size), 1))
        network.eval()
        tally = self.supervision.tally(self.labels, self.processes)
        kept = self._empty_logits(len(numbers))
        for batch in iterate_batches(batches, self.images.read, self.workers):
            warn_unreadable(batch.unreadable)
            if not len(batch.numbers):
                continue
            with torch.no_grad(), self.processes.accelerator.autocast():
                logits = network(self.normalize(batch.pixels)).float()
            tally.add(batch.numbers, logits)
            if kept is not None:
                kept[batch.numbers // self.processes.count] = logits.cpu().numpy()
        figures = tally.total()
        if figures is None:
            raise DataError(
                "no validation image can be read, so training could not be evaluated",
                "`cnncli check` says why",
            )
        return ValidationResult(figures, kept)

    def _empty_logits(self, images: int) -> NDArray[np.float32] | None:
        """Room for the logits of this process's images; None if they are not to be kept."""
        is_exact = self.processes.accelerator.mixed_precision == "no"
        if not is_exact or len(self.labels) * self.classes * np.float32().nbytes > _LARGEST:
            return None
        return np.full((images, self.classes), np.nan, np.float32)
