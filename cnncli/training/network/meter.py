"""Running totals of a training run: loss, accuracy, images and time of the current epoch."""

import math
import time

from cnncli.records.training import TrainingProgress
from cnncli.training.network.checkpoints import Checkpoint
from cnncli.training.network.processes import Processes

NO_SUMS = (0.0, 0.0, 0.0)


class Meter:
    """Updates the checkpoint's sums and seconds.

    Between checkpoints each process counts its own images; the first process continues from the sums of all.
    """

    def __init__(self, checkpoint: Checkpoint, processes: Processes) -> None:
        """Continue from a checkpoint."""
        self._checkpoint, self._processes = checkpoint, processes
        if not processes.is_main:
            checkpoint.sums = list(NO_SUMS)
        self._synchronized = checkpoint.sums[2]
        self._since = time.monotonic()
        self._start = (0.0, 0.0)

    def add(self, loss: float, correct: float, images: int) -> None:
        """Count a step: summed loss, correct images, images."""
        sums = self._checkpoint.sums
        self._checkpoint.sums = [sums[0] + loss, sums[1] + correct, sums[2] + images]

    def synchronize(self) -> None:
        """Bring the checkpoint's sums and seconds up to date, in all processes at once."""
        now = time.monotonic()
        self._checkpoint.seconds += now - self._since
        self._since = now
        total = self._processes.sum(self._checkpoint.sums)
        self._checkpoint.sums = total if self._processes.is_main else list(NO_SUMS)
        self._synchronized = self._checkpoint.sums[2]

    def finish_epoch(self) -> tuple[float, float]:
        """Mean training loss and accuracy of the epoch over all processes; the sums start again from 0."""
        loss, correct, images = self._processes.sum(self._checkpoint.sums)
        self._checkpoint.sums = list(NO_SUMS)
        self._synchronized = 0.0
        return loss / max(images, 1), correct / max(images, 1)

    @property
    def seconds(self) -> float:
        """Training time of the run so far."""
        return self._checkpoint.seconds + time.monotonic() - self._since

    @property
    def images(self) -> float:
        """Images of this epoch in all processes; those since the last checkpoint are estimated from this process's own."""
        images = self._checkpoint.sums[2]
        return self._synchronized + (images - self._synchronized) * self._processes.count

    def start_timing(self) -> None:
        """Start measuring the throughput."""
        self._start = (self.seconds, self.images)

    @property
    def images_per_second(self) -> float:
        """Throughput since `start_timing`."""
        seconds, images = self._start
        return (self.images - images) / max(self.seconds - seconds, 1e-9)

    def progress(self, epochs: int, steps: int, total: int) -> TrainingProgress:
        """How far training has come.

        Args:
            epochs: number of epochs of the run.
            steps: number of steps of an epoch.
            total: number of training images.
        """
        checkpoint, rate = self._checkpoint, self.images_per_second
        loss, correct, images = checkpoint.sums
        remaining = (epochs - checkpoint.epoch - checkpoint.step / steps) * total
        return TrainingProgress(
            checkpoint.epoch + 1,
            epochs,
            min(round(self.images), total),
            total,
            loss / max(images, 1),
            correct / max(images, 1),
            rate,
            remaining / rate if rate else math.inf,
            tuple(checkpoint.history),
        )
