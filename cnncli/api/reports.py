"""What long work reports to a program: messages, images that are done, training steps."""

import contextlib
from collections.abc import Callable, Iterator

from cnncli.dataclass import frozen_dataclass
from cnncli.records.progress import NullProgress
from cnncli.records.training import TrainingProgress


@frozen_dataclass
class ImagesDone:
    """How many of how many images are done."""

    done: int
    total: int

    def __str__(self) -> str:
        """`12 of 100 images`."""
        return f"{self.done:,} of {self.total:,} images"


Report = str | ImagesDone | TrainingProgress
Listener = Callable[[Report], None]
"""Called with each report, in the thread that works."""


class Listening(NullProgress):
    """Progress that is passed on to a program."""

    def __init__(self, listener: Listener | None) -> None:
        self.report: Listener = listener or _default_listener()

    def notice(self, message: str) -> None:
        """Pass it on."""
        self.report(message)

    def warning(self, message: str) -> None:
        """Pass it on."""
        self.report(f"warning: {message}")

    @contextlib.contextmanager
    def bar(self, images: int) -> Iterator[Callable[[], None]]:
        """As a `ProgressBar`: report each image."""
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            self.report(ImagesDone(done, images))

        yield advance

    @contextlib.contextmanager
    def training(self) -> Iterator[Callable[[TrainingProgress], None]]:
        """Report each training step."""
        yield self.report


def _default_listener() -> Listener:
    """In a notebook, what shows reports below the cell; elsewhere, nothing."""
    from cnncli.api.notebook import Display, is_notebook

    return Display() if is_notebook() else lambda _: None
