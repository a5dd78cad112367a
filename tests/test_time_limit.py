"""Calls that may never return are given up."""

import threading
import time

import pytest

from cnncli.time_limit import give_up_on, within


def test_results_and_errors_come_through() -> None:
    assert within(lambda: 7, 5) == 7
    with pytest.raises(ZeroDivisionError):
        within(lambda: 1 // 0, 5)


def test_a_call_that_takes_too_long_is_given_up() -> None:
    never = threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        within(never.wait, 0.05)
    never.set()


def test_an_event_ends_the_waiting() -> None:
    never, interrupt, errors = threading.Event(), threading.Event(), list[Exception]()

    def work() -> None:
        give_up_on(interrupt)
        try:
            within(never.wait, 3600)
        except InterruptedError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.05)
    interrupt.set()
    thread.join(60)
    never.set()
    assert errors
