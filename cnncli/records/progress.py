"""How long work reports its progress, so that nothing below the command line depends on a terminal."""

import contextlib
from collections.abc import Callable
from typing import Protocol

ProgressBar = Callable[[int], contextlib.AbstractContextManager[Callable[[], None]]]
"""Opens a progress bar for a number of images; yields a function to call once per image."""


class Progress(Protocol):
    """Receives the reports of long work."""

    @property
    def shows_bars(self) -> bool:
        """Whether a progress bar on stderr would be visible."""

    def activity(self, message: str) -> contextlib.AbstractContextManager[object]:
        """Report a step that takes seconds, for as long as the block runs, and how long it took."""

    def spinner(self, message: str) -> contextlib.AbstractContextManager[object]:
        """Show what is being done on a terminal, for as long as the block runs."""

    def hidden(self) -> contextlib.AbstractContextManager[object]:
        """Hide all that is shown while a library shows a progress bar of its own."""

    def notice(self, message: str) -> None:
        """Report something worth knowing: what is being done, how long it took."""

    def warning(self, message: str) -> None:
        """Report something unexpected that affects the result."""


def no_bar(_images: int) -> contextlib.AbstractContextManager[Callable[[], None]]:
    """A progress bar that is not shown."""
    return contextlib.nullcontext(lambda: None)


MANY_IMAGES = 5000
"""Images from which reading a part of each may take longer than two seconds, and is reported."""


def activity_if_many(
    progress: Progress, message: str, images: int
) -> contextlib.AbstractContextManager[object]:
    """Report something that takes seconds if there are many images, for as long as the block runs."""
    return progress.activity(message) if images >= MANY_IMAGES else contextlib.nullcontext()


class NullProgress:
    """Progress that reports nothing."""

    shows_bars = False

    def activity(self, message: str) -> contextlib.AbstractContextManager[object]:  # noqa: ARG002 - nothing is shown
        """Report nothing."""
        return contextlib.nullcontext()

    spinner = activity

    def hidden(self) -> contextlib.AbstractContextManager[object]:
        """There is nothing to hide."""
        return contextlib.nullcontext()

    def notice(self, message: str) -> None:
        """Report nothing."""

    def warning(self, message: str) -> None:
        """Report nothing."""


class Deduplicated:
    """Progress that passes on each message only once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._seen: set[str] = set()

    @property
    def shows_bars(self) -> bool:
        """As the wrapped progress does."""
        return self._progress.shows_bars

    def activity(self, message: str) -> contextlib.AbstractContextManager[object]:
        """As the wrapped progress reports it."""
        return self._progress.activity(message)

    def spinner(self, message: str) -> contextlib.AbstractContextManager[object]:
        """As the wrapped progress shows it."""
        return self._progress.spinner(message)

    def hidden(self) -> contextlib.AbstractContextManager[object]:
        """As the wrapped progress does."""
        return self._progress.hidden()

    def notice(self, message: str) -> None:
        """Pass the message on the first time."""
        if message not in self._seen:
            self._seen.add(message)
            self._progress.notice(message)

    def warning(self, message: str) -> None:
        """Pass the message on the first time."""
        if message not in self._seen:
            self._seen.add(message)
            self._progress.warning(message)
