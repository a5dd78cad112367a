"""Ctrl-C and the signal that a queue sends before it kills: heard at once, heeded between two steps."""

import contextlib
import signal
import threading
from types import FrameType, TracebackType
from typing import Self

_HEARD = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While this is entered, the first interrupt is only noted; the second one interrupts as ever."""

    def __init__(self) -> None:
        self.came = False
        self._former: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        """Begin to listen; only Python's main thread can."""
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._note) for number in _HEARD}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave all as it was."""
        for number, handler in self._former.items():
            with contextlib.suppress(TypeError):  # of a handler that was not set by Python
                signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True
