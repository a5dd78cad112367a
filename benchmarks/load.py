"""HTTP clients that put a service under load: as fast as it answers, or at a fixed rate."""

import contextlib
import http.client
import queue
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import psutil

CONNECTIONS = 16
"""Clients that send one request after the other."""

_MANY = 64
"""Connections that requests at a fixed rate are spread over."""


@dataclass(frozen=True)
class Body:
    """A request for `path`, ready to be sent."""

    content: bytes
    kind: str
    path: str = "/predict"


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 where the connection ended without an answer."""

    status: int
    content: bytes = b""


@dataclass(frozen=True)
class Server:
    """A running service: its process, host and port."""

    process: "subprocess.Popen[str]"
    address: str

    def cpu_seconds(self) -> float:
        """CPU seconds of the process and its children so far."""
        first = psutil.Process(self.process.pid)
        times = [process.cpu_times() for process in (first, *first.children(recursive=True))]
        return float(sum(each.user + each.system for each in times))

    def memory(self) -> int:
        """Resident bytes."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


@contextlib.contextmanager
def serve(*command: str) -> Iterator[Server]:
    """A service that prints its address, as long as the block runs."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, *command], stdout=pipe, stderr=pipe, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield Server(process, line.strip().removeprefix("http://"))
        finally:
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    """End a process and its children, which some servers leave behind."""
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    for child in psutil.wait_procs(children, timeout=10)[1]:
        child.kill()


class Client:
    """A connection that is kept open."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: http.client.HTTPConnection | None = None

    def send(self, body: Body) -> Answer:
        """Send a request, and wait for the answer."""
        self._connection = self._connection or http.client.HTTPConnection(self._address, timeout=120)
        try:
            self._connection.request("POST", body.path, body.content, {"Content-Type": body.kind})
            response = self._connection.getresponse()
            return Answer(response.status, response.read())
        except (OSError, http.client.HTTPException):
            self.close()
            return Answer(0)

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()
        self._connection = None


def send_all(address: str, bodies: Sequence[Body], clients: int = CONNECTIONS) -> list[Answer]:
    """Answers to all requests, in order; each client sends its next one as soon as it has an answer."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(bodies)):
        waiting.put(number)
    answers: dict[int, Answer] = {}

    def work() -> None:
        with contextlib.closing(Client(address)) as client, contextlib.suppress(queue.Empty):
            while True:
                number = waiting.get_nowait()
                answers[number] = client.send(bodies[number])

    _in_threads(work, clients)
    return [answers[number] for number in range(len(bodies))]


def seconds_at_rate(address: str, bodies: Sequence[Body], rate: float) -> list[float]:
    """Seconds from the moment when each request is due to its answer; they are due at random, `rate` per second.

    Raises:
        SystemExit: a request was refused.
    """
    intervals = random.Random(0)  # noqa: S311 - a load, not a secret
    due = np.cumsum([intervals.expovariate(rate) for _ in bodies])
    numbers, lock = iter(range(len(bodies))), threading.Lock()
    seconds: list[float] = []
    start = time.perf_counter()

    def work() -> None:
        with contextlib.closing(Client(address)) as client:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                time.sleep(max(start + due[number] - time.perf_counter(), 0))
                if (status := client.send(bodies[number]).status) != 200:
                    raise SystemExit(f"status {status} at {rate:.1f} requests per second")
                seconds.append(time.perf_counter() - start - due[number])

    _in_threads(work, _MANY)
    return seconds


def _in_threads(work: Callable[[], None], count: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        for future in [pool.submit(work) for _ in range(count)]:
            future.result()
