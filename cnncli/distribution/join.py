"""Parts put together in one file, and what is known about them."""

import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cnncli.dataclass import frozen_dataclass
from cnncli.distribution.compute import PartStats, read_stats
from cnncli.distribution.plan import Plan
from cnncli.distribution.store import Store
from cnncli.distribution.tasks import EvaluateTask, FeaturesTask
from cnncli.errors import OutputError, UsageError
from cnncli.features.extract import IDENTITY
from cnncli.files.shards import Shard
from cnncli.files.vectors import ENDINGS, EmbeddingFile, require_package, save_vectors
from cnncli.files.whole import whole_file
from cnncli.networks.card import to_json
from cnncli.render.formats import format_of
from cnncli.text import counted, os_reason, quote

_READERS = 16
"""Files that are read at the same time."""

_SHOWN = 8
"""Missing parts that are named."""


@frozen_dataclass
class Status:
    """What is known about the parts of a plan.

    Attributes:
        parts: number of all parts.
        inputs: number of their inputs.
        missing: numbers of the parts that are not there.
        done: of the others.
    """

    parts: int
    inputs: int
    missing: Sequence[int]
    done: Sequence[PartStats]

    @property
    def records(self) -> int:
        """Inputs that have a record."""
        return sum(stats.inputs for stats in self.done)

    @property
    def unreadable(self) -> int:
        """Those of them whose image could not be read."""
        return sum(stats.unreadable for stats in self.done)

    @property
    def rate(self) -> float:
        """Images per second of one process."""
        return self.records / max(sum(stats.seconds for stats in self.done), 1e-9)

    def __str__(self) -> str:
        """Parts, images, unreadable ones, rate, missing parts."""
        parts = f"{len(self.done):,} of {counted(self.parts, 'part')}"
        if not self.done:
            return f"{parts}, {counted(self.inputs, 'image')} to do"
        text = (
            f"{parts}, {self.records:,} of {counted(self.inputs, 'image')}, {self.unreadable:,} could not be read, "
            f"{self.rate:,.1f} img/s per process"
        )
        return f"{text}; missing: {numbers_text(self.missing)}" if self.missing else text


def status(plan: Plan, store: Store) -> Status:
    """What is known about the parts of a plan.

    Raises:
        OutputError: the store cannot be read.
    """
    missing = plan.missing(store.names())
    present = sorted(set(range(len(plan.parts))) - set(missing))
    with ThreadPoolExecutor(_READERS) as pool:  # each may be a request
        done = list(pool.map(lambda number: read_stats(number, store), present))
    return Status(len(plan.parts), sum(part.inputs for part in plan.parts), missing, done)


def numbers_text(numbers: Sequence[int]) -> str:
    """Numbers of parts, consecutive ones as a range: `3, 5 to 9`; only the first few of many."""
    groups = itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    runs = [[number for _, number in group] for _, group in groups]
    texts = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    rest = [f"and {sum(map(len, runs[_SHOWN:])):,} more"] if len(runs) > _SHOWN else []
    return ", ".join([*texts[:_SHOWN], *rest])


def join(plan: Plan, store: Store, output: Path, *, overwrite: bool) -> None:
    """Write the records of all parts to one file, in the order of the inputs.

    Raises:
        UsageError: the file cannot hold what is in the parts.
        OutputError: parts are missing or damaged, or the file cannot be written.
        MissingPackageError: its format needs a package that is not installed.
    """
    join_parts = _joiner(plan, store, output, overwrite=overwrite)
    require_complete(plan, store)
    try:
        join_parts()
    except OSError as error:
        raise OutputError(f"cannot write {output}: {os_reason(error)}") from error


def require_complete(plan: Plan, store: Store) -> None:
    """Check that all parts are there.

    Raises:
        OutputError: some are not.
    """
    if missing := plan.missing(store.names()):
        raise OutputError(
            f"{counted(len(missing), 'part')} of {len(plan.parts):,} missing in {store}: {numbers_text(missing)}",
            "the command that planned them computes them with --resume",
        )


def _joiner(plan: Plan, store: Store, output: Path, *, overwrite: bool) -> Callable[[], None]:
    """What joins the parts in the format of a file.

    Raises:
        UsageError: the file cannot hold what is in the parts.
        MissingPackageError: its format needs a package that is not installed.
    """
    if plan.command == EvaluateTask.command:
        raise UsageError(
            "these parts are probabilities of labelled images", f"cnncli evaluate DATA --from {quote(store)}"
        )
    if plan.command == FeaturesTask.command:
        return _features_joiner(plan, store, output, overwrite=overwrite)
    format_ = format_of(Path(f"part{plan.ending}"))
    joiner = format_.spec.joiner if format_ else None
    if joiner is None or format_of(output) is not format_:
        raise UsageError(f"the parts are {plan.ending} files, and {output} is not", f"-o FILE{plan.ending}")

    def join_records() -> None:
        with whole_file(output, overwrite=overwrite) as draft:
            joiner(contents(plan, store), draft)

    return join_records


def _features_joiner(plan: Plan, store: Store, output: Path, *, overwrite: bool) -> Callable[[], None]:
    if output.suffix.lower() not in ENDINGS:
        raise UsageError(f"{output} does not end in {', '.join(ENDINGS)}", f"-o FILE{ENDINGS[0]}")
    require_package(output)
    identity = json.dumps({name: plan.settings[name] for name in IDENTITY})
    content = EmbeddingFile(
        lambda: shards(plan, store), to_json(plan.model_card), str(plan.settings["layer_name"]), identity
    )
    return lambda: save_vectors(content, output, overwrite=overwrite)


def shards(plan: Plan, store: Store) -> Iterator[Shard]:
    """The parts that hold vectors, one at a time in memory.

    Raises:
        OutputError: one is damaged.
    """
    return (Shard.read(io.BytesIO(content)) for content in contents(plan, store))


def contents(plan: Plan, store: Store) -> Iterator[bytes]:
    """The contents of the parts' files, one at a time in memory.

    Raises:
        OutputError: one has changed since it was written.
    """
    for number in range(len(plan.parts)):
        name = plan.part_name(number)
        content = store.read(name)
        if hashlib.sha256(content).hexdigest() != read_stats(number, store).sha256:
            raise OutputError(
                f"{store.locate(name)} has changed since it was computed",
                "delete it; the command that planned it computes it again with --resume",
            )
        yield content
