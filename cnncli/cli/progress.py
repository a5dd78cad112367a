"""A moving bar on stderr: images done, images a second, time left."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator

from cnncli.cli.console import Console
from cnncli.errors import CnncliError
from cnncli.records.training import TrainingProgress
from cnncli.text import counted


@contextlib.contextmanager
def image_progress(
    console: Console, count: Callable[[], int | None], done: int, *, is_hidden: bool
) -> Iterator[Callable[[], None]]:
    """A function to call once for each image; it moves a bar where somebody is there to see it.

    Args:
        console: knows whether somebody is.
        count: how many images there will be, None where that cannot be known; asked in a thread, since
            counting means walking all folders a second time.
        done: images of the run that this one goes on from.
        is_hidden: a bar would run into the data.
    """
    if is_hidden or not console.shows_bars:
        yield lambda: None
        return
    import rich.console
    from rich import progress

    # While the total is unknown, the bar shows nothing rather than something that looks full.
    columns = (progress.BarColumn(pulse_style="bar.back"), progress.TextColumn("{task.fields[told]}"))
    screen = rich.console.Console(stderr=True)
    with progress.Progress(*columns, console=screen, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("", total=None, completed=done, told="")
        begun, images = time.monotonic(), 0

        def set_total() -> None:
            with contextlib.suppress(CnncliError, OSError):  # whoever walks them for real will say so
                bar.update(task, total=count())

        def advance() -> None:
            nonlocal images
            images += 1
            rate = images / max(time.monotonic() - begun, 1e-9)
            bar.update(task, advance=1, told=_told(done + images, bar.tasks[task].total, rate))

        threading.Thread(target=set_total, daemon=True).start()
        yield advance


def _told(images: int, total: float | None, rate: float) -> str:
    """`144 of 396 images, 85.6 img/s, 0:03 left`, as far as it is known."""
    if not total:
        return f"{counted(images, 'image')}, {rate:,.1f} img/s"
    seconds = round(max(total - images, 0) / rate)
    return f"{images:,} of {counted(round(total), 'image')}, {rate:,.1f} img/s, {_clock(seconds)} left"


def image_bars(console: Console) -> Callable[[int], contextlib.AbstractContextManager[Callable[[], None]]]:
    """A bar for so many images."""

    @contextlib.contextmanager
    def bar(images: int) -> Iterator[Callable[[], None]]:
        with image_progress(console, lambda: images, 0, is_hidden=False) as advance:
            yield advance

    return bar


def training_progress(
    console: Console,
) -> Callable[[], contextlib.AbstractContextManager[Callable[[TrainingProgress], None]]]:
    """A bar for the epoch that is under way: images a second, loss, accuracy, time left."""

    @contextlib.contextmanager
    def shown() -> Iterator[Callable[[TrainingProgress], None]]:
        if not console.shows_bars:
            yield lambda _: None
            return
        import rich.console
        from rich import progress

        columns = (progress.BarColumn(bar_width=24), progress.TextColumn("{task.fields[told]}"))
        screen = rich.console.Console(stderr=True)
        with progress.Progress(*columns, console=screen, transient=True, redirect_stdout=False) as bar:
            task = bar.add_task("", total=None, told="the first step takes longest")

            def show(moment: TrainingProgress) -> None:
                bar.update(task, total=moment.total, completed=moment.images, told=_training_told(moment))

            yield show

    return shown


def _training_told(moment: TrainingProgress) -> str:
    return (
        f"epoch {moment.epoch}/{moment.epochs}  {moment.images:,} of {moment.total:,}  "
        f"{moment.images_per_second:,.1f} img/s  loss {moment.loss:.3f}  {100 * moment.top1:.1f} %  "
        f"{_clock(moment.seconds_left)} left"
    )


def _clock(seconds: float) -> str:
    """`1:02:03`, `2:03`."""
    if not math.isfinite(seconds):
        return "?"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}".removeprefix("0:")
