"""Computing the parts of a plan, one after the other."""

import datetime as dt
import hashlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace

from cnncli.dataclass import frozen_dataclass
from cnncli.distribution.plan import SUCCESS, Plan
from cnncli.distribution.store import Store
from cnncli.distribution.tasks import PartWorker
from cnncli.errors import CnncliError, OutputError
from cnncli.text import parse_json


@frozen_dataclass
class PartStats:
    """What is known about a part that has been computed.

    Attributes:
        inputs: number of its records.
        unreadable: number of those whose image could not be read.
        seconds: that it took.
        finished: when, in ISO format, UTC.
        sha256: of its file.
    """

    inputs: int
    unreadable: int
    seconds: float
    finished: str
    sha256: str

    def to_json(self) -> bytes:
        """The content of their file."""
        return json.dumps(asdict(self)).encode()


def stats_name(number: int) -> str:
    """`stats-00017.json`."""
    return f"stats-{number:05d}.json"


def read_stats(number: int, store: Store) -> PartStats:
    """What is known about a part.

    Raises:
        OutputError: it cannot be read.
    """
    name = stats_name(number)
    try:
        return PartStats(**parse_json(store.read(name)))
    except (ValueError, TypeError) as error:
        raise OutputError(
            f"{store.locate(name)} is damaged: {error}", "delete the part and this file"
        ) from error


@frozen_dataclass
class PartFailure:
    """A part that could not be computed."""

    number: int
    reason: str

    @classmethod
    def of(cls, number: int, error: CnncliError) -> "PartFailure":
        """The failure of a part, with what can be done about it."""
        return cls(number, f"{error.message}: {error.hint}" if error.hint else error.message)


@dataclass(slots=True)
class Outcome:
    """What came of computing some parts.

    Attributes:
        inputs: number of records that were written.
        unreadable: number of those whose image could not be read.
        failures: parts that could not be computed.
    """

    inputs: int = 0
    unreadable: int = 0
    failures: list[PartFailure] = field(default_factory=list)

    def add(self, result: PartStats | PartFailure) -> None:
        """Count a part."""
        if isinstance(result, PartFailure):
            self.failures.append(result)
        else:
            self.inputs += result.inputs
            self.unreadable += result.unreadable


def compute_parts(
    worker: PartWorker, plan: Plan, store: Store, numbers: Iterable[int], advance: Callable[[], None]
) -> Outcome:
    """Compute parts in this process.

    Args:
        worker: computes them.
        plan: of the parts.
        store: where they go.
        numbers: of the parts.
        advance: called once per input.

    Raises:
        OutputError: a part cannot be written; the others would not fare better.
    """
    outcome = Outcome()
    for number in numbers:
        try:
            outcome.add(compute_part(worker, plan, store, number, advance))
        except OutputError as error:
            error.hint = error.hint or f"finished parts are kept in {store}; --resume computes the others"
            raise
        except CnncliError as error:
            outcome.add(PartFailure.of(number, error))
    return outcome


def compute_part(
    worker: PartWorker, plan: Plan, store: Store, number: int, advance: Callable[[], None]
) -> PartStats:
    """Compute a part and write it, unless another process has done so.

    Raises:
        CnncliError: its range of the list has changed, the network cannot run, or it cannot be written.
    """
    if store.exists(plan.part_name(number)):
        return read_stats(number, store)
    start = time.perf_counter()
    part = worker.compute(plan.inputs(number, store), advance)
    stats = PartStats(
        part.inputs,
        part.unreadable,
        round(time.perf_counter() - start, 3),
        dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        hashlib.sha256(part.content).hexdigest(),
    )
    name = plan.part_name(number)
    store.write(stats_name(number), stats.to_json())
    if not store.create(name, part.content):  # another processor may have computed other last digits
        stats = replace(stats, sha256=hashlib.sha256(store.read(name)).hexdigest())
        store.write(stats_name(number), stats.to_json())
    return stats


def mark_success(plan: Plan, store: Store) -> list[int]:
    """Write `SUCCESS` if all parts are there; the numbers of those that are missing.

    Raises:
        OutputError: the store cannot be read or written.
    """
    names = store.names()
    missing = plan.missing(names)
    if not missing and SUCCESS not in names:
        store.create(SUCCESS, b"")
    return missing
