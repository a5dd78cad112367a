"""A moving bar on stderr: images done, images a second, time left."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from cnncli.cli.console import Console
from cnncli.errors import CnncliError


@contextlib.contextmanager
def image_progress(
    console: Console, count: Callable[[], int | None], done: int, *, is_data_on_terminal: bool
) -> Iterator[Callable[[], None]]:
    """A function to call once for each image; it moves a bar where somebody is there to see it.

    Args:
        console: knows whether somebody is.
        count: how many images there will be, None where that cannot be known; asked in a thread, since
            counting means walking all folders a second time.
        done: images of the run that this one goes on from.
        is_data_on_terminal: records scroll by on the same screen, and are progress enough.
    """
    if is_data_on_terminal or not console.shows_progress:
        yield lambda: None
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
    screen = rich.console.Console(stderr=True)
    with progress.Progress(*columns, console=screen, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("", total=None, completed=done, rate="")
        begun, images = time.monotonic(), 0

        def set_total() -> None:
            with contextlib.suppress(CnncliError, OSError):  # whoever walks them for real will say so
                bar.update(task, total=count())

        def advance() -> None:
            nonlocal images
            images += 1
            rate = images / max(time.monotonic() - begun, 1e-9)
            bar.update(task, advance=1, rate=f"{rate:,.1f} img/s")

        threading.Thread(target=set_total, daemon=True).start()
        yield advance
