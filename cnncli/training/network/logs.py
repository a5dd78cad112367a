"""Logs of a training run after each epoch: a line, history.csv, TensorBoard."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from cnncli.records.progress import Progress
from cnncli.records.training import Epoch
from cnncli.training.history import write_history
from cnncli.training.network.checkpoints import Checkpoint

TENSORBOARD = "tensorboard"


@contextlib.contextmanager
def open_log(
    run: Path, checkpoint: Checkpoint, epochs: int, progress: Progress
) -> Iterator[Callable[[], None]]:
    """A function that logs the last epoch of a checkpoint's history.

    Args:
        run: folder of the run.
        checkpoint: the checkpoint; its history is logged.
        epochs: number of epochs of the run.
        progress: reports the line, and a warning if a log cannot be written.
    """
    with _open_tensorboard(run, len(checkpoint.history) + 1) as write:

        def log() -> None:
            epoch = checkpoint.history[-1]
            try:
                write(epoch)
                write_history(run, checkpoint.history)
            except OSError as error:
                progress.warning(f"the logs in {run} cannot be written: {error.strerror}")
            progress.notice(epoch_line(epoch, epochs, is_best=checkpoint.best is epoch))

        yield log


def epoch_line(epoch: Epoch, epochs: int, *, is_best: bool) -> str:
    """An epoch in one line; the numbers of successive lines are aligned."""
    width = len(str(epochs))
    return (
        f"epoch {epoch.number:>{width}}/{epochs}  lr {epoch.lr:.1e}  "
        f"train loss {epoch.train_loss:6.3f} {100 * epoch.train_top1:5.1f} %  "
        f"val loss {epoch.val_loss:6.3f} {100 * epoch.val_top1:5.1f} %  "
        f"{epoch.seconds:.0f} s, {epoch.images_per_second:,.1f} img/s{'  best' if is_best else ''}"
    )


@contextlib.contextmanager
def _open_tensorboard(run: Path, first_epoch: int) -> Iterator[Callable[[Epoch], None]]:
    """A function that logs an epoch; what an interrupted run logged from `first_epoch` on is purged."""
    with SummaryWriter(str(run / TENSORBOARD), purge_step=first_epoch) as writer:

        def write(epoch: Epoch) -> None:
            for name, value in (
                ("loss/train", epoch.train_loss),
                ("loss/val", epoch.val_loss),
                ("top1/train", epoch.train_top1),
                ("top1/val", epoch.val_top1),
                ("lr", epoch.lr),
                ("images_per_second", epoch.images_per_second),
            ):
                writer.add_scalar(name, value, epoch.number)
            writer.flush()

        yield write
