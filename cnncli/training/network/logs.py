"""Logs of a training run after each epoch: a line, history.csv, TensorBoard."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.records.progress import Progress
from cnncli.records.training import Epoch
from cnncli.training.history import HISTORY, write_history
from cnncli.training.network.checkpoints import Checkpoint
from cnncli.training.optional_output import warn_on_failure

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

TENSORBOARD = "tensorboard"

_LOG = "the log for TensorBoard"


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
    with contextlib.closing(_TensorBoard(run, len(checkpoint.history) + 1, progress)) as tensorboard:

        def log() -> None:
            epoch = checkpoint.history[-1]
            tensorboard.write(epoch)
            with warn_on_failure(HISTORY, progress):
                write_history(run, checkpoint.history)
            progress.notice(epoch_line(epoch, epochs, is_best=checkpoint.best is epoch))

        yield log


def epoch_line(epoch: Epoch, epochs: int, *, is_best: bool) -> str:
    """An epoch in one line; the numbers of successive lines are aligned."""
    width = len(str(epochs))
    balanced = "" if epoch.val_balanced is None else f"balanced {100 * epoch.val_balanced:5.1f} %  "
    return (
        f"epoch {epoch.number:>{width}}/{epochs}  lr {epoch.lr:.1e}  "
        f"train loss {epoch.train_loss:6.3f} {100 * epoch.train_top1:5.1f} %  "
        f"val loss {epoch.val_loss:6.3f} {100 * epoch.val_top1:5.1f} %  {balanced}"
        f"{epoch.seconds:.0f} s, {epoch.images_per_second:,.1f} img/s{'  best' if is_best else ''}"
    )


class _TensorBoard:
    """Logs epochs for TensorBoard until that fails once, which is a warning."""

    def __init__(self, run: Path, first_epoch: int, progress: Progress) -> None:
        """Open the log.

        Args:
            run: folder of the run.
            first_epoch: what an interrupted run logged from this epoch on is purged.
            progress: receives the warning.
        """
        self._progress = progress
        self._writer: SummaryWriter | None = None
        with warn_on_failure(_LOG, progress):
            self._writer = _open_writer(run, first_epoch)

    def write(self, epoch: Epoch) -> None:
        """Log an epoch."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        with warn_on_failure(_LOG, self._progress):
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
            self._writer = writer

    def close(self) -> None:
        """Close the log."""
        if self._writer:
            with warn_on_failure(_LOG, self._progress):
                self._writer.close()


def _open_writer(run: Path, first_epoch: int) -> "SummaryWriter":
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(run / TENSORBOARD), purge_step=first_epoch)
