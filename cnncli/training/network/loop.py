"""The loop: epochs of steps, on one process or several, each of which could be its last.

Nothing that happens here depends on how training came to this point: all chance is drawn anew from where it is
(`draws`), the learning rate follows from how much is done (`schedule`), the rest is in the checkpoint. So a run that goes
on after it was killed ends, on a CPU, with the very bits of one that was not.
"""

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.nn import functional

from cnncli.engines.torch import is_out_of_memory
from cnncli.errors import (
    DataError,
    NotANumberError,
    OutOfMemoryError,
    TrainingStopped,
)
from cnncli.images.image_cache import ImageCache
from cnncli.images.loader import Reader
from cnncli.records.data import DataSet, Split
from cnncli.records.networks import Preprocessing
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress
from cnncli.records.training import Amp, ClassWeights, Epoch, Layout, TrainingProgress
from cnncli.text import counted
from cnncli.training.network import batches as views
from cnncli.training.network import checkpoints, logs
from cnncli.training.network import rng as draws
from cnncli.training.network.checkpoints import Checkpoint
from cnncli.training.network.interrupts import Interrupts
from cnncli.training.network.objective import (
    Loss,
    auxiliary_weights,
    balanced_weights,
    l1,
    mixed,
    mixing,
    shares,
)
from cnncli.training.network.optimizers import create_optimizer
from cnncli.training.network.resize import resize_planes
from cnncli.training.network.schedule import image_size, learning_rate
from cnncli.training.network.stages import learning_mode
from cnncli.training.network.teacher import Teacher
from cnncli.training.network.throughput import TRIED, RangeTest, range_test, several_images_needed
from cnncli.training.options import TrainingOptions
from cnncli.training.run_folder import CHECKPOINTS

_SAVE_EVERY = 60.0
"""Seconds between two checkpoints within an epoch, or more where writing one takes long."""

_SAVING_SHARE = 1 / 20
"""Of the time, at most, that goes into writing checkpoints."""


_FAIR_CHANCE = 3
"""Epochs within which training, which begins with the classifier on features as its last layer, has to do better than that."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be learned, and how.

    Attributes:
        network: on the CPU.
        head: the name of the layer that gives the logits.
        learning: the modules that learn, where not all of the network does; the others, norms too, stay as they are.
        keeps_statistics: batch norms go on with the statistics that they have. With those of each batch, as of images of another
            domain, a classifier on features as the last layer would be worth nothing, and all would begin anew.
        data: its splits train and val.
        preprocessing: of the network.
        levers: how.
        class_weights: what an image counts.
        seed: of all chance.
        max_pixels: larger images are not decoded.
        cache: folder of decoded images, and bytes that it may take.
        workers: threads that read images.
        teacher: a network whose answers are to be matched, too, and where each class stands in them.
        to_beat: share of the validation images that a classifier on features has right, which is kept unless this does better;
            None where nothing else is kept.
    """

    network: nn.Module
    head: str
    learning: Sequence[nn.Module] | None
    keeps_statistics: bool
    data: DataSet
    preprocessing: Preprocessing
    levers: TrainingOptions
    class_weights: ClassWeights
    seed: int
    max_pixels: int
    cache: tuple[Path, int]
    workers: int
    teacher: Teacher | None = None
    to_beat: float | None = None


@dataclass(frozen=True, slots=True)
class RunConstants:
    """What is found out at the start of a run and stays.

    Attributes:
        lr: learning rate at its highest.
        layout: of images in memory.
        amp: arithmetic of the forward pass.
    """

    lr: float
    layout: Layout
    amp: Amp


class _Pace:
    """Images a second since this epoch was begun, or gone on with."""

    def __init__(self, seconds: float, images: float) -> None:
        self._seconds, self._images = seconds, images

    def rate(self, seconds: float, images: float) -> float:
        """Given how much time and how many images there were altogether."""
        return (images - self._images) / max(seconds - self._seconds, 1e-9)


class Loop:
    """A training that is under way."""

    def __init__(
        self,
        task: Task,
        run: Path,
        progressed: Checkpoint,
        accelerator: Accelerator,
        progress: Progress,
        show: Callable[[TrainingProgress], None],
    ) -> None:
        """Bring everything to where the checkpoint left it.

        Args:
            task: what is to be learned, and how.
            run: its folder.
            progressed: how far it has come.
            accelerator: device and processes.
            progress: hears of each epoch.
            show: is called after each step.
        """
        self._task, self._run, self._at = task, run, progressed
        self._accelerator, self._progress, self._show = accelerator, progress, show
        self._levers = task.levers
        self._fixed = RunConstants(
            progressed.fixed["lr"], Layout(progressed.fixed["layout"]), Amp(progressed.fixed["amp"])
        )
        task.network.load_state_dict(progressed.network)
        self._labels = np.array([sample.label for sample in task.data.split(Split.TRAIN)], np.intp)
        self._prepare()
        self._pictures()
        weights = None
        if task.class_weights is ClassWeights.BALANCED:
            found = balanced_weights(self._labels, len(task.data.class_names))
            weights = torch.from_numpy(found).to(accelerator.device)
        self._loss = Loss(self._levers, weights, auxiliary_weights(task.network))
        if not accelerator.is_main_process:
            progressed.sums = [0.0, 0.0, 0.0]  # the first process goes on with those of all
        self._summed = progressed.sums[2]
        self._since = time.monotonic()
        self._saved = time.monotonic()
        self._save_seconds = 0.0

    def _prepare(self) -> None:
        task, at, accelerator = self._task, self._at, self._accelerator
        network = task.network
        if self._fixed.layout is Layout.CHANNELS_LAST:
            network.to(memory_format=torch.channels_last)
        network.to(accelerator.device)
        self._average = None
        if self._levers.model_ema_decay:
            self._average = ModelEmaV3(network, decay=self._levers.model_ema_decay, use_warmup=True)
            if at.average is not None:
                self._average.module.load_state_dict(at.average)
        optimizer = create_optimizer(network, task.head, self._levers, self._fixed.lr)
        self._model, self._optimizer = accelerator.prepare(network, optimizer)
        if at.optimizer:
            self._optimizer.load_state_dict(at.optimizer)
        if at.scaler is not None and accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(at.scaler)
        self._forward: Callable[[Tensor], Any] = self._model
        if self._levers.compile:
            self._forward = torch.compile(self._model)
        if task.teacher:
            task.teacher.network.to(accelerator.device)
        how = task.preprocessing
        width = how.size[1]
        self._row_mean = torch.tensor(how.mean * width, dtype=torch.float32, device=accelerator.device)
        self._row_std = torch.tensor(how.std * width, dtype=torch.float32, device=accelerator.device)

    def _pictures(self) -> None:
        """One store for both splits; what is left over by the images to learn from is for those to judge by."""
        task = self._task
        reader = Reader(task.preprocessing, task.max_pixels)
        folder, room = task.cache
        room //= self._accelerator.num_processes
        height, width = task.preprocessing.size
        judged = len(task.data.split(Split.VAL)) * height * width * task.preprocessing.channels
        judged = min(judged, room // 4)
        train, val = ImageCache(folder, room - judged), ImageCache(folder, judged)
        self._train = views.for_training(
            task.data.split(Split.TRAIN), reader, train, self._levers.augmentation
        )
        self._val = views.for_validation(task.data.split(Split.VAL), reader, val)

    def close(self) -> None:
        """Keep no more images."""
        self._train.close()
        self._val.close()

    # ---- epochs

    def run(self) -> Checkpoint:
        """Train to the end.

        Raises:
            TrainingStopped: it was interrupted; the checkpoint is written.
            NotANumberError: the loss became no number; the last checkpoint is whole.
            OutOfMemoryError: not even one image fits.
            OutputError: a checkpoint cannot be written.
        """
        at = self._at
        with Interrupts() as interrupts, self._logged() as log:
            while at.epoch < self._levers.epochs and not self._is_enough():
                self._epoch(interrupts)
                log(at.history[-1])
                self._save()
                if self._any_process(interrupts.came):
                    raise self._stopped()
        return at

    def range_test(self) -> RangeTest:
        """Try growing learning rates; the network is not what it was afterwards."""
        task, levers = self._task, self._levers
        epochs = (
            draws.batches(
                self._labels, levers.batch_size, task.seed, epoch, balanced=levers.balanced_sampling
            )
            for epoch in itertools.count()
        )
        rank, processes = self._accelerator.process_index, self._accelerator.num_processes
        steps = itertools.chain.from_iterable(epochs)
        mine = [step[rank::processes] for step in itertools.islice(steps, TRIED)]
        view = self._views(task.preprocessing.size, 0)
        learning_mode(task.network, task.learning, keeps_statistics=task.keeps_statistics)
        with contextlib.closing(views.in_batches(mine, view, task.workers)) as batches:

            def step(number: int, rate: float) -> float:
                for group in self._optimizer.param_groups:
                    group["lr"] = rate * group["lr_scale"]
                before = self._sum(self._at.sums)
                try:
                    self._step(next(batches), number)
                except NotANumberError:
                    return math.nan
                after = self._sum(self._at.sums)
                return (after[0] - before[0]) / max(after[2] - before[2], 1)

            return range_test(step)

    def _views(self, size: tuple[int, int], epoch: int) -> views.RandomViews:
        return views.RandomViews(
            self._train, size, self._levers.augmentation, self._task.seed, epoch, resize_planes
        )

    @contextlib.contextmanager
    def _logged(self) -> Iterator[Callable[[Epoch], None]]:
        if not self._accelerator.is_main_process:
            yield lambda _: None
            return
        with logs.tensorboard(self._run, self._at.history) as write:

            def log(epoch: Epoch) -> None:
                try:
                    write(epoch)
                    logs.write_history(self._run, self._at.history)
                except OSError as error:
                    self._progress.warning(f"the logs in {self._run} cannot be written: {error.strerror}")
                best = self._at.best
                self._progress.notice(
                    logs.line(
                        epoch, self._levers.epochs, is_best=best is not None and best.number == epoch.number
                    )
                )

            yield log

    def _is_enough(self) -> bool:
        levers, at = self._levers, self._at
        if levers.patience and at.best and len(at.history) - at.best.number >= levers.patience:
            self._progress.notice(f"no improvement in {counted(levers.patience, 'epoch')}: that is enough")
            return True
        if self._is_beaten():
            epochs = counted(_FAIR_CHANCE, "epoch")
            self._progress.notice(f"no better than the classifier on features after {epochs}: stopped")
            return True
        if at.history and self._time_is_over():
            self._progress.notice(f"{levers.time_budget:g} min are over, which is --time-budget")
            return True
        return False

    def _is_beaten(self) -> bool:
        """Whether no epoch of a fair chance has reached more than what is to be beaten."""
        best, to_beat = self._at.best, self._task.to_beat
        if best is None or to_beat is None:
            return False
        return best.val_top1 <= to_beat and len(self._at.history) >= _FAIR_CHANCE

    def _epoch(self, interrupts: Interrupts) -> None:
        task, at, levers = self._task, self._at, self._levers
        steps = draws.batches(
            self._labels, levers.batch_size, task.seed, at.epoch, balanced=levers.balanced_sampling
        )
        rank, processes = self._accelerator.process_index, self._accelerator.num_processes
        mine = [step[rank::processes] for step in steps]
        view = self._views(image_size(levers, task.preprocessing.size, at.epoch), at.epoch)
        learning_mode(task.network, task.learning, keeps_statistics=task.keeps_statistics)
        pace = _Pace(self._seconds(), self._seen())
        peak = self._lr(at.epoch + (at.step + 0.5) / len(steps))
        with contextlib.closing(views.in_batches(mine[at.step :], view, task.workers)) as batches:
            for batch in batches:
                self._told(batch.unreadable, Split.TRAIN)
                peak = self._lr(at.epoch + (at.step + 0.5) / len(steps))
                self._step(batch, at.step)
                at.step += 1
                at.updates += 1
                self._shown(len(steps), pace)
                self._rest(interrupts, is_last=at.step == len(steps))
                if self._time_is_over():
                    break
        rate = pace.rate(self._seconds(), self._seen())
        loss, top1 = self._judged()
        self._tell_all()
        if not math.isfinite(loss):
            raise self._lost()
        sums = self._sum(at.sums)
        seen = max(sums[2], 1)
        epoch = Epoch(
            number=at.epoch + 1,
            lr=peak,
            train_loss=sums[0] / seen,
            train_top1=sums[1] / seen,
            val_loss=loss,
            val_top1=top1,
            seconds=self._seconds() - sum(done.seconds for done in at.history),
            images_per_second=rate,
        )
        at.history.append(epoch)
        at.epoch, at.step, at.sums, self._summed = at.epoch + 1, 0, [0.0, 0.0, 0.0], 0.0
        if at.best is epoch and self._accelerator.is_main_process:
            checkpoints.save_best(self._run, self._unwrapped(averaged=True).state_dict())

    def _lr(self, epoch: float) -> float:
        rate = learning_rate(self._levers, self._fixed.lr, epoch)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["lr_scale"]
        return rate

    def _rest(self, interrupts: Interrupts, *, is_last: bool) -> None:
        """Between two steps: save, stop if asked to."""
        if not is_last and self._any_process(interrupts.came):
            self._save()
            raise self._stopped()
        pause = max(_SAVE_EVERY, self._save_seconds / _SAVING_SHARE)
        if not is_last and self._any_process(time.monotonic() - self._saved > pause):
            self._save()

    def _stopped(self) -> TrainingStopped:
        at = self._at
        if at.epoch == self._levers.epochs:
            return TrainingStopped(
                "interrupted after the last epoch; everything is saved",
                f"have the network written with: cnncli finetune --resume {self._run}",
            )
        return TrainingStopped(
            f"interrupted in epoch {at.epoch + 1} of {self._levers.epochs}, after step {at.step}; everything is saved",
            f"go on with: cnncli finetune --resume {self._run}",
        )

    def _time_is_over(self) -> bool:
        budget = self._levers.time_budget
        return bool(budget) and self._any_process(self._seconds() >= 60 * budget)

    # ---- steps

    def _step(self, batch: views.Batch, step: int) -> None:
        """One update of the weights; where memory does not suffice, in smaller pieces."""
        while True:
            try:
                with several_images_needed():
                    self._try_step(batch, step)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(error)
            else:
                return

    def _halve(self, error: RuntimeError) -> None:
        at = self._at
        if (
            self._accelerator.num_processes > 1
        ):  # the others wait for this one already: all would have to begin again
            raise OutOfMemoryError(
                "a process has not enough memory for its part of a batch", "use --grad-accum-steps 2, or more"
            ) from error
        if at.pieces * 2 > self._levers.batch_size:
            raise OutOfMemoryError(
                "not even one image fits into memory while training", "use a smaller --img-size or network"
            ) from error
        at.pieces *= 2
        self._optimizer.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._progress.warning(
            f"no memory for {counted(self._levers.batch_size, 'image')} at a time: each batch is computed in {at.pieces} pieces"
        )

    def _try_step(self, batch: views.Batch, step: int) -> None:
        task, at, accelerator = self._task, self._at, self._accelerator
        rank, processes = accelerator.process_index, accelerator.num_processes
        count = len(batch.numbers)
        whole = self._sum([float(count)])[0]
        if not whole:
            return
        images, labels = self._tensors(batch)
        targets = labels
        if self._levers.mixes(at.epoch):
            images, targets = self._mixed(batch, images, labels, step)
        pieces = np.array_split(
            np.arange(len(images)), min(at.pieces * self._levers.grad_accum_steps, len(images))
        )
        sums = torch.zeros(2, device=accelerator.device)
        for number, piece in enumerate(pieces):
            part = slice(int(piece[0]), int(piece[-1]) + 1)
            torch.manual_seed(draws.dropout_seed(task.seed, (at.epoch, step, rank, number)))
            is_last = number == len(pieces) - 1
            with contextlib.nullcontext() if is_last else accelerator.no_sync(self._model):
                outputs = self._forward(images[part])
                taught = None
                if task.teacher:
                    taught = task.teacher.logits(images[part], task.preprocessing)
                loss = self._loss(outputs, targets[part], taught) * (1.0 if count else 0.0)
                logits = outputs[0] if isinstance(outputs, tuple) else outputs
                shown = targets[part] if targets.ndim == 1 else targets[part].argmax(dim=1)
                if count:
                    sums += torch.stack([loss.detach(), (logits.argmax(dim=1) == shown).sum()])
                loss = loss * processes / whole
                if is_last and self._levers.l1:
                    loss = loss + self._levers.l1 * l1(self._unwrapped())
                accelerator.backward(loss)
        loss_sum, right = sums.tolist()
        if not math.isfinite(loss_sum):
            raise self._lost()
        if self._levers.clip_grad:
            accelerator.clip_grad_norm_(self._model.parameters(), self._levers.clip_grad)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        if self._average is not None:
            self._average.update(self._unwrapped(), step=at.updates + 1)
        at.sums = [at.sums[0] + loss_sum, at.sums[1] + right, at.sums[2] + count]

    def _tensors(self, batch: views.Batch) -> tuple[Tensor, Tensor]:
        """Images and their classes on the device."""
        device = self._accelerator.device
        if len(batch.numbers):
            labels = torch.from_numpy(self._labels[batch.numbers])
            return self._images(batch.pixels), labels.to(device)
        # Another process has images, and waits for this one's gradient of nothing.
        how = self._task.preprocessing
        nothing = torch.zeros(1, how.channels, *how.size, device=device)
        return nothing, torch.zeros(1, dtype=torch.int64, device=device)

    def _mixed(self, batch: views.Batch, images: Tensor, labels: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Images of this process mixed with partners of any, and what they show."""
        task = self._task
        everybody = [(batch.numbers, batch.pixels)]
        if self._accelerator.num_processes > 1:
            everybody = gather_object(everybody)
        numbers = np.concatenate([numbers for numbers, _ in everybody])
        if not len(batch.numbers):  # nothing to mix, but the others had to be told so
            return images, labels
        chance = draws.of_mixing(task.seed, self._at.epoch, step)
        how = mixing(numbers, batch.pixels.shape[1:3], self._levers, chance)
        before = sum(len(numbers) for numbers, _ in everybody[: self._accelerator.process_index])
        mine = how.partners[before : before + len(batch.numbers)]
        pixels = np.concatenate([pixels for numbers, pixels in everybody if len(numbers)])
        others = torch.from_numpy(self._labels[numbers[mine]]).to(labels.device)
        images = mixed(images, self._images(pixels[mine]), how)
        return images, shares(labels, others, len(task.data.class_names), how)

    def _lost(self) -> NotANumberError:
        at = self._at
        return NotANumberError(
            f"the loss is no number any more, in epoch {at.epoch + 1}, step {at.step + 1}; "
            f"the last checkpoint in {self._run / CHECKPOINTS} is from before that",
            f"start again with an --lr below {self._fixed.lr:g}, or with --clip-grad 1",
        )

    def _images(self, pixels: "np.ndarray[Any, np.dtype[np.uint8]]") -> Tensor:
        """(N, C, H, W) float32 of (N, H, W, C) uint8: the very numbers that `images.preprocess.normalized` makes.

        Row by row, since torch is many times slower where only three colours lie side by side.
        """
        rows = torch.from_numpy(pixels).to(self._accelerator.device).flatten(2).float()
        length = rows.shape[2]
        rows = rows.div_(255).sub_(self._row_mean[:length]).div_(self._row_std[:length])
        images = rows.view(pixels.shape).permute(0, 3, 1, 2)
        return images if self._fixed.layout is Layout.CHANNELS_LAST else images.contiguous()

    # ---- judging

    def _judged(self) -> tuple[float, float]:
        """Mean cross-entropy and share of right answers on the validation images, of the average if there is one."""
        task = self._task
        labels = np.array([sample.label for sample in task.data.split(Split.VAL)], np.intp)
        rank, processes = self._accelerator.process_index, self._accelerator.num_processes
        numbers = np.arange(len(labels))[rank::processes]
        batches = np.array_split(numbers, max(-(-len(numbers) // self._levers.batch_size), 1))
        network = self._unwrapped(averaged=True)
        network.eval()
        sums = [0.0, 0.0, 0.0]
        for batch in views.in_batches(batches, self._val.read, task.workers):
            self._told(batch.unreadable, Split.VAL)
            if not len(batch.numbers):
                continue
            with torch.no_grad(), self._accelerator.autocast():
                answers = network(self._images(batch.pixels)).float()
            expected = torch.from_numpy(labels[batch.numbers]).to(answers.device)
            sums[0] += float(functional.cross_entropy(answers, expected, reduction="sum"))
            sums[1] += float((answers.argmax(dim=1) == expected).sum())
            sums[2] += len(batch.numbers)
        loss, right, seen = self._sum(sums)
        if not seen:
            raise DataError(
                "no image for validation can be read: nothing would say what is learned",
                "`cnncli check` says why",
            )
        return loss / seen, right / seen

    # ---- what is kept and told

    def _save(self) -> None:
        """Write a checkpoint, where everything in it is a number."""
        started = time.monotonic()
        at, accelerator = self._at, self._accelerator
        at.seconds = self._seconds()
        self._since = started
        whole = self._sum(at.sums)
        at.sums = whole if accelerator.is_main_process else [0.0, 0.0, 0.0]
        self._summed = at.sums[2]
        if accelerator.is_main_process:
            state = self._unwrapped(averaged=False).state_dict()
            if not all(bool(torch.isfinite(value).all()) for value in state.values()):
                raise self._lost()
            at.network = state
            at.optimizer = self._optimizer.state_dict()
            at.average = self._average.module.state_dict() if self._average is not None else None
            at.scaler = accelerator.scaler.state_dict() if accelerator.scaler is not None else None
            checkpoints.save(self._run, at)
        accelerator.wait_for_everyone()
        self._saved = time.monotonic()
        self._save_seconds = self._saved - started

    def _unwrapped(self, *, averaged: bool = False) -> nn.Module:
        if averaged and self._average is not None:
            module: nn.Module = self._average.module
            return module
        return self._task.network

    def _told(self, found: dict[int, Unreadable], split: Split) -> None:
        for number, record in found.items():
            path = self._task.data.split(split)[number].path
            if path not in self._at.unreadable:
                self._at.unreadable[path] = record.reason
                self._progress.warning(f"{path} is left out: {record.reason}")

    def _tell_all(self) -> None:
        """What other processes could not read."""
        if self._accelerator.num_processes == 1:
            return
        known = self._at.unreadable
        for found in gather_object([dict(known)]):
            for path in found.keys() - known.keys():
                self._progress.warning(f"{path} is left out: {found[path]}")
            known |= found

    def _shown(self, steps: int, pace: "_Pace") -> None:
        at, levers = self._at, self._levers
        loss, right, summed = at.sums
        seen = self._seen()
        rate = pace.rate(self._seconds(), seen)
        left = (levers.epochs - at.epoch - at.step / steps) * len(self._labels)
        self._show(
            TrainingProgress(
                at.epoch + 1,
                levers.epochs,
                min(round(seen), len(self._labels)),
                len(self._labels),
                loss / max(summed, 1),
                right / max(summed, 1),
                rate,
                left / rate if rate else math.inf,
            )
        )

    def _seen(self) -> float:
        """Images of this epoch that were learned from, by all processes: since the last checkpoint by this one's."""
        processes: int = self._accelerator.num_processes
        return self._summed + (self._at.sums[2] - self._summed) * processes

    def _seconds(self) -> float:
        return self._at.seconds + time.monotonic() - self._since

    def _sum(self, numbers: Sequence[float]) -> list[float]:
        """Over all processes."""
        if self._accelerator.num_processes == 1:
            return list(numbers)
        tensor = torch.tensor(numbers, dtype=torch.float64, device=self._accelerator.device)
        summed: list[float] = self._accelerator.reduce(tensor, "sum").tolist()
        return summed

    def _any_process(self, has_come: bool) -> bool:  # noqa: FBT001 - the one thing that it is about
        """Whether something is true in any process, so that all of them act on it at the same step."""
        if self._accelerator.num_processes == 1:
            return has_come
        return self._sum([float(has_come)])[0] > 0
