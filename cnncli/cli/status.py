"""The last line of a terminal, which says what is being done: a spinner or a progress bar.

There is one per process. A step inside another one replaces its line until it ends. Whatever is printed meanwhile goes above the
line, if it is printed within `hidden`, as `cli.console` does.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cnncli.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    Line = Callable[[], RenderableType]
    """Draws the line as it is now."""

_lines: "list[Line]" = []
"""The lines of the steps that are running, the outermost first; the last one is visible."""

_live: "Live | None" = None

_lock = threading.RLock()


@contextlib.contextmanager
def show(line: "Line") -> Iterator[None]:
    """Show a line on stderr, which is a terminal, while the block runs."""
    _lines.append(line)
    try:
        _start()
        yield
    finally:
        _lines.remove(line)
        if not _lines:
            _stop()


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Take the line away while the block prints something."""
    if _live is None:
        yield
        return
    _stop()
    try:
        yield
    finally:
        _start()


@contextlib.contextmanager
def spinner(message: str) -> Iterator[None]:
    """Show a spinner, a message and the time while the block runs."""
    from rich import progress

    columns = (
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}", markup=False),
        progress.TimeElapsedColumn(),
    )
    display = progress.Progress(*columns)
    display.add_task(printable(message), total=None)
    with show(display.get_renderable):
        yield


def _start() -> None:
    global _live  # noqa: PLW0603 - a terminal has one last line
    import rich.console
    import rich.live

    with _lock:
        if _live is None and _lines:
            _live = rich.live.Live(
                console=rich.console.Console(stderr=True),
                get_renderable=lambda: _lines[-1]() if _lines else "",
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                refresh_per_second=8,
            )
            _live.start(refresh=True)


def _stop() -> None:
    global _live
    with _lock:
        if _live is not None:
            live, _live = _live, None
            live.stop()
