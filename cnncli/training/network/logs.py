"""Logs of a training run after each epoch: a line, history.csv, TensorBoard."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.records.progress import Progress
from cnncli.records.tasks import AnswerKind, Task
from cnncli.records.training import Epoch
from cnncli.text import percent
from cnncli.training.history import HISTORY, write_history
from cnncli.training.network.checkpoints import Checkpoint
from cnncli.training.optional_output import warn_on_failure
from cnncli.training.task_figures import score_text
from cnncli.training.tracking.figures import epoch_figures

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

TENSORBOARD = "tensorboard"

_LOG = "the log for TensorBoard"


@contextlib.contextmanager
def open_log(
    run: Path, checkpoint: Checkpoint, tasks: Sequence[Task], progress: Progress
) -> Iterator[Callable[[], None]]:
    """A function that logs the last epoch of a checkpoint's history.

    Args:
        run: folder of the run.
        checkpoint: the checkpoint; its history is logged.
        tasks: what the network learns; empty where images have one class each.
        progress: reports a table with a line for each epoch, and a warning if a log cannot be written.
    """
    has_header = False
    with contextlib.closing(_TensorBoard(run, len(checkpoint.history) + 1, tasks, progress)) as tensorboard:

        def log() -> None:
            nonlocal has_header
            epoch = checkpoint.history[-1]
            tensorboard.write(epoch)
            with warn_on_failure(HISTORY, progress):
                write_history(run, checkpoint.history, tasks)
            header, line = epoch_row(epoch, tasks, is_best=checkpoint.best is epoch)
            if not has_header:
                progress.notice(header)
                has_header = True
            progress.notice(line)

        yield log


def epoch_row(epoch: Epoch, tasks: Sequence[Task] = (), *, is_best: bool) -> tuple[str, str]:
    """The header and the line of an epoch in a table of 80 columns."""
    columns = [
        (5, "epoch", str(epoch.number)),
        (7, "lr", f"{epoch.lr:.1e}"),
        (10, "train loss", f"{epoch.train_loss:.3f}"),
        *(_task_columns(epoch, tasks) if tasks else _class_columns(epoch)),
    ]
    header = "  ".join(name.rjust(width) for width, name, _ in columns)
    line = "  ".join(text.rjust(width) for width, _, text in columns)
    return header, line + ("  best" if is_best else "")


_Column = tuple[int, str, str]
"""Width, header and text."""


def _class_columns(epoch: Epoch) -> list[_Column]:
    """Accuracies of images with one class each; balanced accuracy takes the place of the speed."""
    last = (7, "img/s", f"{epoch.images_per_second:,.1f}")
    if epoch.val_balanced is not None:
        last = (8, "balanced", percent(epoch.val_balanced))
    return [
        (9, "train acc", percent(epoch.train_top1)),
        (8, "val loss", f"{epoch.val_loss:.3f}"),
        (7, "val acc", percent(epoch.val_top1)),
        (6, "time", f"{epoch.seconds:,.0f} s"),
        last,
    ]


_SHOWN_TASKS, _LONGEST_NAME = 2, 8
"""Number of tasks that have a column each; characters of a task's name in it."""


def _task_columns(epoch: Epoch, tasks: Sequence[Task]) -> list[_Column]:
    """What the tasks are measured by on the validation images, one by one if they are few, and together."""
    titles = [_score_title(task, "val" if len(tasks) == 1 else task.name) for task in tasks]
    columns = [
        (max(len(title), 7), title, score_text(score))
        for title, score in zip(titles, epoch.val_scores, strict=True)
    ]
    mean = (7, "mean", score_text(epoch.selection_score))
    return [
        (8, "val loss", f"{epoch.val_loss:.3f}"),
        *(columns if len(tasks) <= _SHOWN_TASKS else ()),
        *([mean] if len(tasks) > 1 else ()),
        (6, "time", f"{epoch.seconds:,.0f} s"),
    ]


def _score_title(task: Task, name: str) -> str:
    """`digit acc`, `tags mAP`."""
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    return f"{short} {'mAP' if task.kind is AnswerKind.SEVERAL else 'acc'}"


class _TensorBoard:
    """Logs epochs for TensorBoard until that fails once, which is a warning."""

    def __init__(self, run: Path, first_epoch: int, tasks: Sequence[Task], progress: Progress) -> None:
        """Open the log.

        Args:
            run: folder of the run.
            first_epoch: what an interrupted run logged from this epoch on is purged.
            tasks: what the network learns.
            progress: receives the warning.
        """
        self._progress, self._tasks = progress, tasks
        self._writer: SummaryWriter | None = None
        with warn_on_failure(_LOG, progress):
            self._writer = _open_writer(run, first_epoch)

    def write(self, epoch: Epoch) -> None:
        """Log an epoch."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        with warn_on_failure(_LOG, self._progress):
            for name, value in epoch_figures(epoch, self._tasks).items():
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
