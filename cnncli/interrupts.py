"""Ctrl-C, and the signal that a job queue sends before it kills a job: recorded at once, handled between two steps."""

import contextlib
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Within this context the first interrupt is only recorded; a second one interrupts as usual.

    Attributes:
        is_pending: whether there was an interrupt.
    """

    def __init__(self, notify: Callable[[], None]) -> None:
        """A handler that no interrupt has reached yet.

        Args:
            notify: called at the first one, in a thread.
        """
        self.is_pending = False
        self._notify = notify
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        """Install the signal handlers, which only Python's main thread can."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._record) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the previous handlers."""
        for number, handler in self._previous.items():
            with contextlib.suppress(TypeError):  # for a handler that was not set by Python
                signal.signal(number, handler)  # type: ignore[arg-type]

    def _record(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_pending:
            raise KeyboardInterrupt
        self.is_pending = True
        # This thread may be in the middle of printing something.
        threading.Thread(target=self._notify).start()
