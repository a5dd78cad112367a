"""A moving bar on stderr: images done, images a second, time left."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from cnncli.cli.console import Console
from cnncli.errors import CnncliError


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
        return f"{images:,} images, {rate:,.1f} img/s"
    seconds = round(max(total - images, 0) / rate)
    left = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}".removeprefix("0:")
    return f"{images:,} of {total:,.0f} images, {rate:,.1f} img/s, {left} left"
