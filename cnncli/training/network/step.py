"""A training step: forward, backward, update, in micro-batches if memory is short or the user requests them."""

import contextlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.torch import is_out_of_memory
from cnncli.errors import OutOfMemoryError
from cnncli.text import counted
from cnncli.training.network import rng
from cnncli.training.network.batches import Batch
from cnncli.training.network.checkpoints import Checkpoint, divergence
from cnncli.training.network.mixing import Mixer
from cnncli.training.network.objective import Objective
from cnncli.training.network.processes import Processes
from cnncli.training.network.setup import TrainingSetup
from cnncli.training.network.state import TrainingState


@frozen_dataclass
class TrainingStep:
    """Updates the weights from a batch.

    Attributes:
        setup: what the network learns, and how.
        run: folder of the run.
        checkpoint: the state of training, including the number of pieces of a batch.
        state: network and optimiser.
        objective: what is minimised.
        mixer: mixup and CutMix.
        processes: the processes that train together.
        warn: called with a message if batches are split because memory is short.
        least: smallest number of images that the network can learn from at a time.
    """

    setup: TrainingSetup
    run: Path
    checkpoint: Checkpoint
    state: TrainingState
    objective: Objective
    mixer: Mixer
    processes: Processes
    warn: Callable[[str], None]
    least: int = 1

    def __call__(self, batch: Batch) -> tuple[float, float]:
        """Update the weights once, in smaller pieces if memory runs out.

        Returns:
            The summed loss of this process's images and how many of them are classified correctly.

        Raises:
            NotANumberError: the loss diverged; the weights are untouched.
            OutOfMemoryError: not even the fewest images fit that the network can learn from.
        """
        while True:
            try:
                return self._update(batch)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._halve_pieces(error)

    def _update(self, batch: Batch) -> tuple[float, float]:
        checkpoint = self.checkpoint
        count = len(batch.numbers)
        total = self.processes.sum([float(count)])[0]
        if not total:
            return 0.0, 0.0
        images, labels = self._tensors(batch)
        images, targets = self.mixer.mix(batch, images, labels, (checkpoint.epoch, checkpoint.step))
        sums = torch.zeros(2, device=images.device)
        pieces = self._pieces(len(images))
        for number, piece in enumerate(pieces):
            position = (checkpoint.epoch, checkpoint.step, self.processes.rank, number)
            torch.manual_seed(rng.dropout_seed(self.setup.seed, position))
            is_last = number == len(pieces) - 1
            with contextlib.nullcontext() if is_last else self.state.delay_synchronization():
                outputs = self.state.forward(images[piece])
                # A process without images takes part with a gradient of 0, since the others wait for it.
                loss = self.objective.loss(outputs, targets[piece], images[piece]) * (1.0 if count else 0.0)
                if count:
                    sums += torch.stack([loss.detach(), self.objective.correct(outputs, targets[piece])])
                loss = loss * self.processes.count / total
                self.state.backward(self.objective.add_l1(loss, self.state.network) if is_last else loss)
        loss_sum, correct = sums.tolist()
        if not math.isfinite(loss_sum):
            raise divergence(self.run, checkpoint)
        self.state.update(checkpoint.updates + 1)
        return loss_sum, correct

    def _pieces(self, count: int) -> list[slice]:
        """The micro-batches of `count` images, none with fewer images than the network can learn from."""
        number = min(self._wanted_pieces(), max(count // self.least, 1))
        pieces = np.array_split(np.arange(count), number)
        return [slice(int(piece[0]), int(piece[-1]) + 1) for piece in pieces]

    def _wanted_pieces(self) -> int:
        return self.checkpoint.pieces * self.setup.options.grad_accum_steps

    def _tensors(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) and their labels on the device; black images with any labels if this process has none."""
        if len(batch.numbers):
            labels = torch.from_numpy(self.mixer.labels[batch.numbers])
            images = self.mixer.normalize(batch.pixels)
            return images, labels.to(images.device)
        shape = (self.setup.preprocessing.channels, *self.setup.preprocessing.size)
        device = self.state.accelerator.device
        labels = torch.from_numpy(self.mixer.labels[: self.least]).to(device)
        return torch.zeros(self.least, *shape, device=device), labels

    def _halve_pieces(self, error: RuntimeError) -> None:
        # The other processes wait for this one's gradients: all would have to start the step again.
        if self.processes.count > 1:
            raise OutOfMemoryError(
                "a process has not enough memory for its part of a batch", "use --grad-accum-steps 2, or more"
            ) from error
        batch_size = self.setup.options.batch_size
        if self._wanted_pieces() >= batch_size // self.least:
            fewest = "one image fits" if self.least == 1 else f"{self.least} images fit"
            raise OutOfMemoryError(
                f"not even {fewest} into memory while training", "use a smaller --img-size or network"
            ) from error
        self.checkpoint.pieces *= 2
        self.state.zero_grad()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.warn(
            f"not enough memory for {counted(batch_size, 'image')} at a time: "
            f"each batch is computed in {self.checkpoint.pieces} pieces"
        )
