"""Parts computed by the workers of a Ray cluster, each of which opens the network once.

A part whose worker or machine dies is computed again by another one. One that fails `ATTEMPTS` times is given up; the others are
finished.
"""

import contextlib
import functools
import os
import platform
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cnncli import __version__
from cnncli.dataclass import frozen_dataclass
from cnncli.distribution.compute import Outcome, PartFailure, PartStats, compute_part
from cnncli.distribution.plan import Plan, find_plan
from cnncli.distribution.store import open_store
from cnncli.distribution.tasks import PartTask, PartWorker, Resources
from cnncli.engines.cores import usable_cores
from cnncli.errors import CnncliError, InputError, UsageError
from cnncli.records.progress import NullProgress
from cnncli.text import counted, first_line

ATTEMPTS = 3

_REPORT_SECONDS = 1.0
"""Time between two reports of progress."""

_CONNECT_SECONDS = 10.0
"""Time that a cluster may take to accept a connection."""


@frozen_dataclass
class RayOptions:
    """A cluster, and the share of each worker.

    Attributes:
        address: of the cluster; None for that of `RAY_ADDRESS`, or else a cluster of this machine that is started.
        cpus: cores of a worker.
        gpus: graphics cards of a worker.
    """

    address: str | None
    cpus: int
    gpus: float


class Board:
    """Where workers report their progress; an actor."""

    def __init__(self) -> None:
        self._images: dict[int, int] = {}

    def report(self, number: int, images: int) -> None:
        """Report how many images of a part are done."""
        self._images[number] = images

    def total(self) -> int:
        """Images that are done."""
        return sum(self._images.values())


class Worker:
    """A process that computes parts; an actor."""

    def __init__(self, task: PartTask, place: str, folder: str, board: Any) -> None:  # noqa: ANN401 - Ray is not typed
        """Create a worker.

        Args:
            task: what is computed.
            place: where the parts go.
            folder: that relative paths begin in.
            board: where it reports progress.
        """
        self._task, self._place, self._folder, self._board = task, place, folder, board
        self._worker: PartWorker | None = None
        self._plan: Plan | None = None

    def open(self) -> str | None:
        """Open the network; what is wrong with this machine, if anything."""
        try:
            if Path(self._folder).is_dir():
                os.chdir(self._folder)
            self._plan = find_plan(open_store(self._place))
            if self._plan is None:
                raise InputError("it does not see the plan; use a folder or store that all machines share")
            resources = Resources(self._plan.threads, self._plan.batch_size)
            self._worker = self._task.open(resources, NullProgress())
            settings = {"cnncli": __version__, **self._worker.identity}
            self._plan.require_same(settings, self._place)
        except CnncliError as error:
            return f"{platform.node()}: {error.message}"
        return None

    def compute(self, number: int) -> PartStats | PartFailure:
        """Compute a part."""
        if self._worker is None or self._plan is None:
            raise ValueError("call open() first")
        images, reported = 0, time.monotonic()

        def advance() -> None:
            nonlocal images, reported
            images += 1
            if time.monotonic() - reported > _REPORT_SECONDS:
                reported = time.monotonic()
                self._board.report.remote(number, images)

        try:
            result = compute_part(self._worker, self._plan, open_store(self._place), number, advance)
        except CnncliError as error:
            return PartFailure.of(number, error)
        self._board.report.remote(number, result.inputs)
        return result


def compute_on_ray(
    task: PartTask, place: str, numbers: Sequence[int], options: RayOptions, advance: Callable[[], None]
) -> Outcome:
    """Compute parts on a cluster.

    Args:
        task: what is computed.
        place: where the plan is and the parts go; all machines must see it.
        numbers: of the parts.
        options: the cluster.
        advance: called once per input.

    Raises:
        UsageError: the cluster is too small for a worker.
        InputError: the cluster cannot be reached, or a machine differs from this one.
    """
    with _connect(options):
        return _Run(task, place, numbers, options, advance).finish()


class _Run:
    """The parts that are waiting, and the workers that compute the others."""

    def __init__(
        self,
        task: PartTask,
        place: str,
        numbers: Sequence[int],
        options: RayOptions,
        advance: Callable[[], None],
    ) -> None:
        import ray

        self._ray = ray
        self._waiting = deque(numbers)
        self._attempts: Counter[int | None] = Counter()
        self._outcome, self._advance, self._images = Outcome(), advance, 0
        self._board = ray.remote(num_cpus=0)(Board).remote()
        actor = ray.remote(num_cpus=options.cpus, num_gpus=options.gpus)(Worker)
        self._start: Callable[[], Any] = functools.partial(
            actor.remote, task, place, str(Path.cwd()), self._board
        )
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, int | None]] = {}
        for _ in range(_pool_size(ray.cluster_resources(), options, len(numbers))):
            self._add_worker()

    def finish(self) -> Outcome:
        """Compute all parts, as far as possible."""
        while self._waiting or any(number is not None for _, number in self._busy.values()):
            ready, _ = self._ray.wait(list(self._busy), timeout=_REPORT_SECONDS)
            for reference in ready:
                self._take(reference)
            while self._idle and self._waiting:
                worker, number = self._idle.pop(), self._waiting.popleft()
                self._busy[worker.compute.remote(number)] = worker, number
            self._report()
        return self._outcome

    def _add_worker(self) -> None:
        worker = self._start()
        self._busy[worker.open.remote()] = worker, None

    def _take(self, reference: Any) -> None:  # noqa: ANN401 - Ray is not typed
        """Take what a worker has done: it is open, or a part is there or has failed."""
        worker, number = self._busy.pop(reference)
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.RayActorError:
            self._retry(number, "its worker died")
            self._add_worker()
            return
        except self._ray.exceptions.RayError as error:
            result = PartFailure(number or 0, first_line(error)) if number is not None else first_line(error)
        self._idle.append(worker)
        if isinstance(result, PartFailure):
            self._retry(number, result.reason)
        elif isinstance(result, str):
            raise InputError(f"a worker cannot compute: {result}")
        elif result is not None:
            self._outcome.add(result)

    def _retry(self, number: int | None, reason: str) -> None:
        """Give a part to another worker, unless it has failed too often; None stands for opening the network."""
        self._attempts[number] += 1
        if self._attempts[number] < ATTEMPTS:
            self._waiting.extend([] if number is None else [number])
        elif number is None:
            raise InputError("workers die while they open the network", "give them more memory")
        else:
            self._outcome.add(PartFailure(number, f"{reason} ({counted(ATTEMPTS, 'attempt')})"))

    def _report(self) -> None:
        """Move the progress bar."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            total = self._ray.get(self._board.total.remote())
            for _ in range(total - self._images):
                self._advance()
            self._images = max(total, self._images)


def _pool_size(cluster: dict[str, float], options: RayOptions, parts: int) -> int:
    """Number of workers: as many as the cluster has room for, at most one for each part.

    Raises:
        UsageError: there is no room for one.
    """
    rooms = {"CPU": options.cpus, "GPU": options.gpus}
    for kind, share in rooms.items():
        if cluster.get(kind, 0) < share:
            raise UsageError(
                f"a worker needs {share:g} {kind}s, and the cluster has {cluster.get(kind, 0):g}",
                f"use a smaller --worker-{kind.lower()}s",
            )
    return min(parts, *(int(cluster[kind] / share) for kind, share in rooms.items() if share))


@contextlib.contextmanager
def _connect(options: RayOptions) -> Iterator[None]:
    """Connect to the cluster, or start one on this machine; one that is connected already stays so.

    Raises:
        InputError: it cannot be reached.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    address = options.address or os.environ.get("RAY_ADDRESS")
    try:
        if address:
            _require_reachable(address)
            ray.init(address, log_to_driver=False)
        else:
            ray.init(num_cpus=usable_cores(), include_dashboard=False, log_to_driver=False)
    except (ValueError, RuntimeError, OSError) as error:
        place = f"Ray at {address}" if address else "Ray"
        raise InputError(
            f"cannot connect to {place}: {first_line(error)}",
            "`ray status` shows whether it runs; it may need RAY_AUTH_TOKEN",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _require_reachable(address: str) -> None:
    """Check that something listens at the address of a cluster, for which Ray itself would wait for minutes.

    Raises:
        OSError: nothing does.
    """
    host, _, port = (
        address.partition("://")[2].rpartition(":") if "://" in address else address.rpartition(":")
    )
    if port.isdecimal():
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
