"""A moving bar on stderr: images done, images a second, time left."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from cnncli.cli.console import Console


@contextlib.contextmanager
def image_progress(
    console: Console, count: Callable[[], int | None], *, is_data_on_terminal: bool
) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of images done; it moves a bar where somebody is there to see it.

    Args:
        console: knows whether somebody is.
        count: how many images there will be, None where that cannot be known; asked in a thread, since
            counting means walking all folders a second time.
        is_data_on_terminal: records scroll by on the same screen, and are progress enough.
    """
    if is_data_on_terminal or not console.shows_progress:
        yield lambda _: None
        return
    import rich.console
    from rich import progress

    columns = (
        progress.TextColumn("{task.completed:,.0f} images"),
        progress.BarColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(compact=True),
        progress.TextColumn("left"),
    )
    with progress.Progress(
        *columns, console=rich.console.Console(stderr=True), transient=True, redirect_stdout=False
    ) as bar:
        task = bar.add_task("", total=None, rate="")
        threading.Thread(target=lambda: bar.update(task, total=count()), daemon=True).start()

        def advance(images: int) -> None:
            bar.advance(task, images)
            speed = bar.tasks[task].speed
            bar.update(task, rate=f"{speed:,.1f} img/s" if speed else "")

        yield advance
