"""A budget for the memory of images that are decoded at the same time: large ones are decoded one by one."""

import contextlib
import threading
from collections.abc import Iterator


class MemoryBudget:
    """Bytes that several threads share. A thread that already has some must not ask for more."""

    def __init__(self, total: int) -> None:
        """Create a budget of which nothing is in use.

        Args:
            total: bytes; what is larger is allowed only where nothing else is in use.
        """
        self._total = total
        self._used = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Wait until so many bytes are free, and use them during the block."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + size <= self._total)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()
