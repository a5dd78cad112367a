"""Ctrl-C, and the signal that a job queue sends before it kills: noted at once, acted on between two steps."""

import contextlib
import signal
import threading
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Within this context the first interrupt is only noted; the second one interrupts as usual."""

    def __init__(self) -> None:
        self.came = False
        self._former: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        """Install the signal handlers, which only Python's main thread can."""
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the former handlers."""
        for number, handler in self._former.items():
            with contextlib.suppress(TypeError):  # for a handler that was not set by Python
                signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True
