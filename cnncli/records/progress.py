"""What long work may say while it goes on, so that no room below the command line knows a terminal."""

from typing import Protocol


class Progress(Protocol):
    """Whoever listens to long work."""

    @property
    def shows_bars(self) -> bool:
        """Whether somebody would see a moving bar on stderr."""

    def notice(self, message: str) -> None:
        """Something worth knowing: what is being done, how long it took."""

    def warning(self, message: str) -> None:
        """Something that the result depends on and that may surprise."""


class Silence:
    """A listener who does not care."""

    shows_bars = False

    def notice(self, message: str) -> None:
        """Say nothing."""

    def warning(self, message: str) -> None:
        """Say nothing."""
