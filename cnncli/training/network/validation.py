"""Loss and accuracy on the validation split, after each epoch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnncli.errors import DataError
from cnncli.records.predictions import Unreadable
from cnncli.training.network.batches import ImageStore, iterate_batches
from cnncli.training.network.objective import count_correct, sum_cross_entropy
from cnncli.training.network.pixels import Normalize
from cnncli.training.network.processes import Processes
from cnncli.training.network.rng import Indices

_LARGEST = 256 * 2**20
"""Largest size in bytes of the logits of all validation images that are kept."""


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What a network achieves on the validation images.

    Attributes:
        loss: mean cross-entropy.
        top1: top-1 accuracy.
        balanced: balanced accuracy, the mean over classes.
        logits: (N, K), of this process's images, NaN where one cannot be read; None if they are too many to keep, or inexact.
    """

    loss: float
    top1: float
    balanced: float
    logits: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Validation:
    """The validation of a network on the images of all processes.

    Attributes:
        images: the images, resized and cropped as in prediction.
        labels: (N,), their classes.
        classes: K, the number of classes.
        batch_size: images per batch.
        workers: threads that read images.
        normalize: converts pixels to tensors.
        processes: the processes, each of which validates its share.
    """

    images: ImageStore
    labels: Indices
    classes: int
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
        sums = [0.0, 0.0, 0.0]
        kept = self._empty_logits(len(numbers))
        correct_by_class, images_by_class = np.zeros(self.classes), np.zeros(self.classes)
        for batch in iterate_batches(batches, self.images.read, self.workers):
            warn_unreadable(batch.unreadable)
            if not len(batch.numbers):
                continue
            with torch.no_grad(), self.processes.accelerator.autocast():
                logits = network(self.normalize(batch.pixels)).float()
            labels = torch.from_numpy(self.labels[batch.numbers]).to(logits.device)
            sums[0] += float(sum_cross_entropy(logits, labels))
            sums[1] += float(count_correct(logits, labels))
            sums[2] += len(batch.numbers)
            is_correct = (logits.argmax(dim=1) == labels).cpu().numpy()
            numbers_by_class = self.labels[batch.numbers]
            correct_by_class += np.bincount(numbers_by_class, is_correct, self.classes)
            images_by_class += np.bincount(numbers_by_class, minlength=self.classes)
            if kept is not None:
                kept[batch.numbers // self.processes.count] = logits.cpu().numpy()
        loss, correct, count, *by_class = self.processes.sum([*sums, *correct_by_class, *images_by_class])
        if not count:
            raise DataError(
                "no validation image can be read, so training could not be evaluated",
                "`cnncli check` says why",
            )
        correct_by_class, images_by_class = np.reshape(by_class, (2, self.classes))
        has_images = images_by_class > 0
        balanced = float(np.mean(correct_by_class[has_images] / images_by_class[has_images]))
        return ValidationResult(loss / count, correct / count, balanced, kept)

    def _empty_logits(self, images: int) -> NDArray[np.float32] | None:
        """Room for the logits of this process's images; None if they are not to be kept."""
        is_exact = self.processes.accelerator.mixed_precision == "no"
        if not is_exact or len(self.labels) * self.classes * np.float32().nbytes > _LARGEST:
            return None
        return np.full((images, self.classes), np.nan, np.float32)
