"""Progress bars on stderr: images done, images per second, time left."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cnncli.cli import status
from cnncli.cli.console import Console, raise_lost_interrupt
from cnncli.errors import CnncliError
from cnncli.text import counted

if TYPE_CHECKING:
    from cnncli.records.progress import ProgressBar
    from cnncli.records.training import TrainingProgress


@contextlib.contextmanager
def image_progress(
    console: Console, count: Callable[[], int | None], completed: int, *, is_hidden: bool
) -> Iterator[Callable[[], None]]:
    """A function to call once per image; on a terminal it moves a progress bar.

    Args:
        console: of the command.
        count: returns the number of images, None if unknown; called in a thread, since counting means walking
            all folders a second time.
        completed: images that were already processed before the run was resumed.
        is_hidden: show no bar, because it would mix with the data.
    """
    if is_hidden or not console.shows_bars:
        yield raise_lost_interrupt
        return
    from rich import progress

    # While the total is unknown, the bar stays empty instead of pulsing, which looks full.
    columns = (progress.BarColumn(pulse_style="bar.back"), progress.TextColumn("{task.fields[text]}"))
    bar = progress.Progress(*columns)
    task = bar.add_task("", total=None, completed=completed, text="")
    start, images = time.monotonic(), 0

    def set_total() -> None:
        with contextlib.suppress(CnncliError, OSError):  # reported when the images are read
            bar.update(task, total=count())

    def advance() -> None:
        nonlocal images
        raise_lost_interrupt()
        images += 1
        rate = images / max(time.monotonic() - start, 1e-9)
        bar.update(task, advance=1, text=_images_text(completed + images, bar.tasks[task].total, rate))

    threading.Thread(target=set_total, daemon=True).start()
    with status.show(bar.get_renderable):
        yield advance


def _images_text(images: int, total: float | None, rate: float) -> str:
    """`144 of 396 images, 85.6 img/s, 0:03 left`; without the total and the time left if they are unknown."""
    if not total:
        return f"{counted(images, 'image')}, {rate:,.1f} img/s"
    seconds = round(max(total - images, 0) / rate)
    return f"{images:,} of {counted(round(total), 'image')}, {rate:,.1f} img/s, {_clock(seconds)} left"


def image_bars(console: Console) -> "ProgressBar":
    """A function that opens a progress bar for a number of images."""

    @contextlib.contextmanager
    def bar(images: int) -> Iterator[Callable[[], None]]:
        with image_progress(console, lambda: images, 0, is_hidden=False) as advance:
            yield advance

    return bar


def training_progress(
    console: Console,
) -> Callable[[], contextlib.AbstractContextManager[Callable[["TrainingProgress"], None]]]:
    """A function that opens a progress bar for the current epoch: images per second, loss, accuracy, time left."""

    @contextlib.contextmanager
    def open_bar() -> Iterator[Callable[["TrainingProgress"], None]]:
        if not console.shows_bars:
            yield lambda _: None
            return
        from rich import progress

        columns = (progress.BarColumn(bar_width=24), progress.TextColumn("{task.fields[text]}"))
        bar = progress.Progress(*columns)
        task = bar.add_task("", total=None, text="the first step takes longest")

        def update(state: "TrainingProgress") -> None:
            bar.update(task, total=state.total, completed=state.images, text=_training_text(state))

        with status.show(bar.get_renderable):
            yield update

    return open_bar


def _training_text(state: "TrainingProgress") -> str:
    return (
        f"epoch {state.epoch}/{state.epochs}  {state.images:,} of {state.total:,}  "
        f"{state.images_per_second:,.1f} img/s  loss {state.loss:.3f}  {100 * state.top1:.1f} %  "
        f"{_clock(state.seconds_left)} left"
    )


def _clock(seconds: float) -> str:
    """`1:02:03`, `2:03`."""
    if not math.isfinite(seconds):
        return "?"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}".removeprefix("0:")
