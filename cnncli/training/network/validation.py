"""What a network achieves on the validation split, after each epoch."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.networks.zoo.embedding import WithEmbedding
from cnncli.records.predictions import Unreadable
from cnncli.training.network.batches import ImageStore, iterate_batches
from cnncli.training.network.pixels import Normalize
from cnncli.training.network.processes import Processes
from cnncli.training.network.rng import Indices
from cnncli.training.network.supervision import Labels, Supervision
from cnncli.training.network.tallies import ValidationFigures
from cnncli.training.network.validation_outputs import Floats, ValidationOutputs, held_out_images

_LARGEST = 256 * 2**20
"""Largest size in bytes of the logits of all validation images; more are not kept, nor other outputs."""


@frozen_dataclass
class ValidationResult:
    """What a network achieves on the validation images.

    Attributes:
        figures: of all processes' images.
        outputs: of this process's images; None if they are too many to keep, or inexact.
    """

    figures: ValidationFigures
    outputs: ValidationOutputs | None


@frozen_dataclass
class Validation:
    """The validation of a network on the images of all processes.

    Attributes:
        images: the images, resized and cropped as in prediction.
        labels: those of all processes' images.
        classes: K, the number of classes.
        head: name of the layer that gives the logits, whose input is the embedding.
        supervision: how the labels are compared with logits.
        batch_size: images per batch.
        workers: threads that read images.
        normalize: converts pixels to tensors.
        processes: the processes, each of which validates its share.
    """

    images: ImageStore
    labels: Labels
    classes: int
    head: str
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
        outputs = _OutputCollector(self, len(numbers)) if self._keeps_outputs() else None
        wrapped = WithEmbedding(network, self.head)
        for batch in iterate_batches(batches, self.images.read, self.workers):
            warn_unreadable(batch.unreadable)
            if not len(batch.numbers):
                continue
            with torch.no_grad(), self.processes.accelerator.autocast():
                logits, embeddings = wrapped(self.normalize(batch.pixels))
            tally.add(batch.numbers, logits.float())
            if outputs:
                outputs.add(batch.numbers, logits, embeddings)
        figures = tally.total()
        if figures is None:
            raise DataError(
                "no validation image can be read, so training could not be evaluated",
                "`cnncli check` says why",
            )
        return ValidationResult(figures, outputs.collect() if outputs else None)

    def _keeps_outputs(self) -> bool:
        is_exact = self.processes.accelerator.mixed_precision == "no"
        return is_exact and len(self.labels) * self.classes * np.float32().nbytes <= _LARGEST


class _OutputCollector:
    """Collects the outputs for this process's images, batch by batch."""

    def __init__(self, validation: Validation, images: int) -> None:
        self._processes = validation.processes.count
        self._logits = np.full((images, validation.classes), np.nan, np.float32)
        self._is_held_out = np.zeros(len(validation.labels), np.bool_)
        self._is_held_out[held_out_images(len(validation.labels))] = True
        self._numbers = [np.zeros(0, np.intp)]
        self._embeddings: list[Floats] = []

    def add(self, numbers: Indices, logits: Tensor, embeddings: Tensor) -> None:
        """Add those of a batch of images with these numbers (N,): logits (N, K) and embeddings (N, D)."""
        self._logits[numbers // self._processes] = logits.cpu().numpy()
        is_held_out = self._is_held_out[numbers]
        self._numbers.append(numbers[is_held_out])
        self._embeddings.append(embeddings.cpu().numpy()[is_held_out])

    def collect(self) -> ValidationOutputs:
        """All that were added."""
        embeddings = self._embeddings or [np.zeros((0, 0), np.float32)]
        return ValidationOutputs(self._logits, np.concatenate(self._numbers), np.concatenate(embeddings))
