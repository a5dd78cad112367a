"""What long work may say while it goes on, so that no room below the command line knows a terminal."""

import contextlib
from typing import Protocol


class Progress(Protocol):
    """Whoever listens to long work."""

    @property
    def shows_bars(self) -> bool:
        """Whether somebody would see a moving bar on stderr."""

    def activity(self, message: str) -> contextlib.AbstractContextManager[object]:
        """Something that takes seconds, for as long as the block lasts."""

    def notice(self, message: str) -> None:
        """Something worth knowing: what is being done, how long it took."""

    def warning(self, message: str) -> None:
        """Something that the result depends on and that may surprise."""


class Silence:
    """A listener who does not care."""

    shows_bars = False

    def activity(self, message: str) -> contextlib.AbstractContextManager[object]:  # noqa: ARG002 - it is not shown
        """Say nothing."""
        return contextlib.nullcontext()

    def notice(self, message: str) -> None:
        """Say nothing."""

    def warning(self, message: str) -> None:
        """Say nothing."""


class Once:
    """A listener who passes on what it has not heard before."""

    def __init__(self, listener: Progress) -> None:
        self._listener = listener
        self._heard: set[str] = set()

    @property
    def shows_bars(self) -> bool:
        """As the listener does."""
        return self._listener.shows_bars

    def activity(self, message: str) -> contextlib.AbstractContextManager[object]:
        """As the listener shows it."""
        return self._listener.activity(message)

    def notice(self, message: str) -> None:
        """Pass it on, the first time."""
        if message not in self._heard:
            self._heard.add(message)
            self._listener.notice(message)

    def warning(self, message: str) -> None:
        """Pass it on, the first time."""
        if message not in self._heard:
            self._heard.add(message)
            self._listener.warning(message)
