"""Loss and accuracy on the validation split, after each epoch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from cnncli.errors import DataError
from cnncli.records.predictions import Unreadable
from cnncli.training.network.batches import ImageStore, iterate_batches
from cnncli.training.network.objective import count_correct, sum_cross_entropy
from cnncli.training.network.pixels import Normalize
from cnncli.training.network.processes import Processes
from cnncli.training.network.rng import Indices


@dataclass(frozen=True, slots=True)
class Validation:
    """The validation of a network on the images of all processes.

    Attributes:
        images: the images, resized and cropped as in prediction.
        labels: (N,), their classes.
        batch_size: images per batch.
        workers: threads that read images.
        normalize: converts pixels to tensors.
        processes: the processes, each of which validates its share.
    """

    images: ImageStore
    labels: Indices
    batch_size: int
    workers: int
    normalize: Normalize
    processes: Processes

    def run(
        self, network: nn.Module, warn_unreadable: Callable[[dict[int, Unreadable]], None]
    ) -> tuple[float, float, float]:
        """Mean cross-entropy, top-1 accuracy, and balanced accuracy (the mean over classes) of a network.

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
        classes = int(self.labels.max()) + 1
        correct_by_class, images_by_class = np.zeros(classes), np.zeros(classes)
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
            correct_by_class += np.bincount(numbers_by_class, is_correct, classes)
            images_by_class += np.bincount(numbers_by_class, minlength=classes)
        loss, correct, count, *by_class = self.processes.sum([*sums, *correct_by_class, *images_by_class])
        if not count:
            raise DataError(
                "no validation image can be read, so training could not be evaluated",
                "`cnncli check` says why",
            )
        correct_by_class, images_by_class = np.reshape(by_class, (2, classes))
        has_images = images_by_class > 0
        balanced = float(np.mean(correct_by_class[has_images] / images_by_class[has_images]))
        return loss / count, correct / count, balanced
