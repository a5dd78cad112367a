"""The training loop: epochs of steps, any of which could be the last.

Nothing depends on how training reached its current position: randomness (`rng`) and learning rate (`schedule`) are functions
of the position, and everything else is in the checkpoint. So on a CPU, a resumed run ends with exactly the same bits as one
that was never interrupted.
"""

import contextlib
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator

from cnncli.errors import TrainingStopped
from cnncli.images.image_cache import ImageCache
from cnncli.images.loader import ImageReader
from cnncli.interrupts import Interrupts
from cnncli.records.data import Split
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress
from cnncli.records.training import Epoch, TrainingProgress, kept_epoch
from cnncli.text import quote
from cnncli.training.network import batches, logs, rng
from cnncli.training.network.batch_norm import least_images, single_image_error
from cnncli.training.network.batches import Batch, ImageStore
from cnncli.training.network.checkpoints import Checkpoint, Checkpointer, divergence
from cnncli.training.network.meter import Meter
from cnncli.training.network.mixing import Mixer
from cnncli.training.network.objective import Objective, auxiliary_weights
from cnncli.training.network.pixels import Normalize, resize
from cnncli.training.network.processes import Processes
from cnncli.training.network.rng import Indices
from cnncli.training.network.schedule import image_size, learning_rate
from cnncli.training.network.setup import TrainingSetup
from cnncli.training.network.stages import set_training_mode
from cnncli.training.network.state import TrainingState
from cnncli.training.network.step import TrainingStep
from cnncli.training.network.stopping import EarlyStopping
from cnncli.training.network.supervision import Labels
from cnncli.training.network.validation import Validation, ValidationResult


class Loop:
    """A training run in progress.

    Attributes:
        setup: what the network learns, and how.
        checkpoint: the current state of training.
        processes: the processes that train together.
        state: network and optimiser.
        step: updates the weights from a batch.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        run: Path,
        checkpoint: Checkpoint,
        accelerator: Accelerator,
        progress: Progress,
    ) -> None:
        """Restore everything as the checkpoint left it.

        Args:
            setup: what the network learns, and how.
            run: folder of the run.
            checkpoint: the state to start from; kept up to date.
            accelerator: device and processes.
            progress: reports each epoch.

        Raises:
            TrainingError: batch normalisation would get a single image at a time.
        """
        self.setup, self.checkpoint, self._run, self._progress = setup, checkpoint, run, progress
        self.processes = Processes(accelerator)
        self.state = TrainingState(setup, checkpoint, accelerator)
        supervision = setup.supervision
        self._labels = supervision.labels(setup.data.split(Split.TRAIN))
        is_balanced = setup.options.balanced_sampling
        self._sampling_weights = supervision.sampling_weights(self._labels) if is_balanced else None
        self._images, val_images = _open_images(setup, self.processes)
        normalize = Normalize(setup.preprocessing, checkpoint.constants.layout, accelerator.device)
        self._least = self._least_images()
        self._require_enough_images()
        self._validation = Validation(
            val_images,
            supervision.labels(setup.data.split(Split.VAL)),
            len(setup.data.class_names),
            setup.head,
            supervision,
            setup.options.batch_size,
            setup.workers,
            normalize,
            self.processes,
        )
        self.step = TrainingStep(
            setup,
            run,
            checkpoint,
            self.state,
            _objective(setup, self._labels, accelerator.device),
            Mixer(
                setup.options,
                self._labels,
                len(setup.data.class_names),
                setup.seed,
                self.processes,
                normalize,
            ),
            self.processes,
            progress.warning,
            self._least,
        )
        self._meter = Meter(checkpoint, self.processes)
        self._stopping = EarlyStopping(setup.options, checkpoint, self._meter, self.processes)
        self._checkpointer = Checkpointer(run, checkpoint, self.state, self._meter, self.processes)

    def close(self) -> None:
        """Free the cached images."""
        self._images.close()
        self._validation.images.close()

    def run(self, report: Callable[[TrainingProgress], None]) -> None:
        """Train to the end.

        Args:
            report: called after each step and each epoch.

        Raises:
            TrainingStopped: it was interrupted; a checkpoint is written.
            NotANumberError: the loss diverged; the last checkpoint is intact.
            OutOfMemoryError: not even one image fits.
            OutputError: a checkpoint cannot be written.
        """
        checkpoint = self.checkpoint
        with Interrupts(self._acknowledge_interrupt) as interrupts, self._open_log() as log:
            while checkpoint.epoch < self.setup.options.epochs:
                if reason := self._stopping.reason():
                    self._progress.notice(reason)
                    break
                self._train_epoch(interrupts, report)
                log()
                self._checkpointer.save()
                if self.processes.any(condition=interrupts.is_pending):
                    raise self._interruption()

    def steps(self, epoch: int) -> list[Indices]:
        """The numbers of this process's images for each step of an epoch."""
        return [self.processes.slice(step) for step in self._steps_of_all_processes(epoch)]

    def _steps_of_all_processes(self, epoch: int) -> list[Indices]:
        return rng.batches(
            len(self._labels),
            self.setup.options.batch_size,
            self.setup.seed,
            epoch,
            weights=self._sampling_weights,
            least=self._least,
        )

    def batches(self, steps: Sequence[Indices], epoch: int, size: tuple[int, int]) -> Generator[Batch]:
        """Augmented training images, a batch for each step, at a size of (height, width) pixels."""
        setup = self.setup
        views = batches.RandomViews(self._images, size, setup.options.augmentation, setup.seed, epoch, resize)
        for batch in batches.iterate_batches(steps, views, setup.workers):
            yield batch.with_at_least(self._least)  # an image is alone if those beside it cannot be read

    def set_training_mode(self) -> None:
        """Put the trainable part of the network into training mode."""
        setup = self.setup
        set_training_mode(setup.network, setup.trainable, freezes_statistics=setup.freezes_statistics)

    def _least_images(self) -> int:
        """The smallest number of images that the network can learn from at a time."""
        setup = self.setup
        self.set_training_mode()
        size = image_size(setup.options, setup.preprocessing.size, 0)
        image = torch.zeros(1, setup.preprocessing.channels, *size, device=self.processes.accelerator.device)
        return least_images(setup.network, image)

    def _require_enough_images(self) -> None:
        """Check that each process gets enough images in each step.

        Raises:
            TrainingError: it does not.
        """
        smallest = min(len(self._steps_of_all_processes(0)[-1]), self.setup.options.batch_size)
        if smallest // self.processes.count < self._least:
            raise single_image_error()

    def _open_log(self) -> contextlib.AbstractContextManager[Callable[[], None]]:
        if self.processes.is_main:
            return logs.open_log(self._run, self.checkpoint, self.setup.data.tasks, self._progress)
        return contextlib.nullcontext(lambda: None)

    # ---- an epoch

    def _train_epoch(self, interrupts: Interrupts, report: Callable[[TrainingProgress], None]) -> None:
        checkpoint, options = self.checkpoint, self.setup.options
        steps = self.steps(checkpoint.epoch)
        size = image_size(options, self.setup.preprocessing.size, checkpoint.epoch)
        self.set_training_mode()
        self._meter.start_timing()
        lr = self._update_learning_rate(len(steps))
        remaining = self.batches(steps[checkpoint.step :], checkpoint.epoch, size)
        progress: TrainingProgress | None = None
        with contextlib.closing(remaining):
            for batch in remaining:
                self._warn_unreadable(batch.unreadable, Split.TRAIN)
                lr = self._update_learning_rate(len(steps))
                loss, correct = self.step(batch)
                self._meter.add(loss, correct, len(batch.numbers))
                checkpoint.step += 1
                checkpoint.updates += 1
                progress = self._meter.progress(options.epochs, len(steps), len(self._labels))
                report(progress)
                if checkpoint.step < len(steps):
                    self._between_steps(interrupts)
                if self._stopping.is_out_of_time():
                    break
        self._finish_epoch(lr)
        if progress:
            report(replace(progress, history=tuple(checkpoint.history)))

    def _update_learning_rate(self, steps: int) -> float:
        """Set the learning rate for the middle of the next step, and return it."""
        position = self.checkpoint.epoch + (self.checkpoint.step + 0.5) / steps
        lr = learning_rate(self.setup.options, self.checkpoint.constants.peak_lr, position)
        self.state.set_learning_rate(lr)
        return lr

    def _between_steps(self, interrupts: Interrupts) -> None:
        if self.processes.any(condition=interrupts.is_pending):
            self._checkpointer.save()
            raise self._interruption()
        if self._checkpointer.is_due():
            self._checkpointer.save()

    def _finish_epoch(self, lr: float) -> None:
        """Validate, and add the epoch to the history."""
        checkpoint, rate = self.checkpoint, self._meter.images_per_second
        validated = self._validate()
        figures = validated.figures
        train_loss, train_top1 = self._meter.finish_epoch()
        epoch = Epoch(
            number=checkpoint.epoch + 1,
            lr=lr,
            train_loss=train_loss,
            train_top1=train_top1,
            val_loss=figures.loss,
            val_top1=figures.top1,
            seconds=self._meter.seconds - sum(epoch.seconds for epoch in checkpoint.history),
            images_per_second=rate,
            val_balanced=figures.balanced,
            val_scores=figures.scores,
            val_score=figures.score,
        )
        checkpoint.history.append(epoch)
        checkpoint.epoch, checkpoint.step = checkpoint.epoch + 1, 0
        if kept_epoch(checkpoint.history, self.setup.options.keep) is epoch:
            self._checkpointer.save_kept(validated.outputs)

    def _validate(self) -> ValidationResult:
        """Validate the network that would be kept.

        Raises:
            NotANumberError: the loss is not finite.
        """

        def warn(unreadable: dict[int, Unreadable]) -> None:
            self._warn_unreadable(unreadable, Split.VAL)

        with self._progress.spinner(f"validating after epoch {self.checkpoint.epoch + 1}"):
            validated = self._validation.run(self.state.averaged_network, warn)
        self._share_unreadable()
        if not math.isfinite(validated.figures.loss):
            raise divergence(self._run, self.checkpoint)
        return validated

    # ---- messages

    def _acknowledge_interrupt(self) -> None:
        self._progress.notice("interrupted: finishing this step and saving (again: stops without saving)")

    def _interruption(self) -> TrainingStopped:
        checkpoint, epochs = self.checkpoint, self.setup.options.epochs
        command = f"cnncli finetune --resume {quote(self._run)}"
        if checkpoint.epoch == epochs:
            return TrainingStopped(
                "interrupted after the last epoch; everything is saved", f"write the network with: {command}"
            )
        return TrainingStopped(
            f"interrupted in epoch {checkpoint.epoch + 1} of {epochs}, after step {checkpoint.step}; everything is saved",
            f"resume with: {command}",
        )

    def _warn_unreadable(self, unreadable: dict[int, Unreadable], split: Split) -> None:
        """Warn once about each image of a split that cannot be read."""
        samples = self.setup.data.split(split)
        self._record_unreadable({samples[number].path: item.reason for number, item in unreadable.items()})

    def _share_unreadable(self) -> None:
        """Warn about images that other processes could not read."""
        for reasons in self.processes.gather(dict(self.checkpoint.unreadable)):
            self._record_unreadable(reasons)

    def _record_unreadable(self, reasons: dict[str, str]) -> None:
        for path, reason in reasons.items():
            if path not in self.checkpoint.unreadable:
                self.checkpoint.unreadable[path] = reason
                self._progress.warning(f"{path} is left out: {reason}")


def _open_images(setup: TrainingSetup, processes: Processes) -> tuple[ImageStore, ImageStore]:
    """The training and the validation images; their caches share one limit, and validation gets at most a quarter of it."""
    reader = ImageReader(setup.preprocessing, setup.max_pixels)
    folder, room = setup.cache
    room //= processes.count
    height, width = setup.preprocessing.size
    val = len(setup.data.split(Split.VAL)) * height * width * setup.preprocessing.channels
    val = min(val, room // 4)
    train_cache, val_cache = ImageCache(folder, room - val), ImageCache(folder, val)
    augmentation = setup.options.augmentation
    return (
        batches.for_training(setup.data.split(Split.TRAIN), reader, train_cache, augmentation),
        batches.for_validation(setup.data.split(Split.VAL), reader, val_cache),
    )


def _objective(setup: TrainingSetup, labels: Labels, device: torch.device) -> Objective:
    criterion = setup.supervision.criterion(labels, setup.options.smoothing, device)
    if setup.teacher:
        setup.teacher.network.to(device)
    return Objective(
        setup.options, setup.preprocessing, criterion, auxiliary_weights(setup.network), setup.teacher
    )
