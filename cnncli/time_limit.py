"""Calls that may never return: given up after some time, or when an event says that nobody waits for them any more."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")

_STEP = 0.2
"""Seconds after which a thread that waits looks for the event."""

_thread = threading.local()


def give_up_on(interrupt: threading.Event) -> None:
    """Let an event end the waiting of the current thread."""
    _thread.interrupt = interrupt


def within(call: Callable[[], T], seconds: float) -> T:
    """The result of a call, which is made in a daemon thread; where it is given up, it is left alone there.

    Raises:
        TimeoutError: it took longer.
        InterruptedError: nobody waits for it any more.
    """
    result: Future[T] = Future()

    def work() -> None:
        try:
            result.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            result.set_exception(error)

    threading.Thread(target=work, daemon=True, name="request").start()
    end = time.monotonic() + seconds
    while not wait([result], min(_STEP, seconds)).done:
        if (interrupt := getattr(_thread, "interrupt", None)) and interrupt.is_set():
            raise InterruptedError("interrupted")
        if time.monotonic() > end:
            raise TimeoutError(f"no answer within {seconds:g} s")
    return result.result()
