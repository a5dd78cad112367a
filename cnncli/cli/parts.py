"""Options of outputs in parts, and the run that plans and computes them; shared by predict, features and evaluate."""

import importlib.util
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import options
from cnncli.cli.console import Console
from cnncli.cli.option_groups import OptionGroup
from cnncli.cli.progress import image_progress
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import MissingPackageError, OutputError, UsageError
from cnncli.records.defaults import PART_SIZE
from cnncli.text import counted, install_command, quote

if TYPE_CHECKING:
    from cnncli.distribution.compute import Outcome
    from cnncli.distribution.plan import Plan, PlanInputs
    from cnncli.distribution.store import Store
    from cnncli.distribution.tasks import PartTask, Resources

FAILED_PARTS = 4
"""Exit code if some parts could not be computed; all others were."""

PANEL = "Parts"

RAY = "ray"
"""The value of `--on`, and the scheme of the addresses of clusters."""

Place = Annotated[
    str | None,
    typer.Option(
        "--parts",
        metavar="DIR|URL",
        rich_help_panel=PANEL,
        help="Write the output in parts to this folder or object store; `cnncli join` puts them together.",
    ),
]
PartSize = Annotated[
    int | None,
    typer.Option(
        "--part-size",
        min=1,
        metavar="N",
        rich_help_panel=PANEL,
        help=f"Inputs per part.  [default: {PART_SIZE}]",
    ),
]
ShareOption = Annotated[
    str | None,
    typer.Option(
        "--part",
        metavar="I/N",
        rich_help_panel=PANEL,
        help="Compute only this share of the parts, from 0/N to N-1/N: for job arrays, each job with its own I.",
    ),
]
PlanOnly = Annotated[
    bool,
    typer.Option("--plan-only", rich_help_panel=PANEL, help="Write the plan of the parts, and compute none."),
]


On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="ray|ray://HOST:PORT",
        rich_help_panel=PANEL,
        help="Compute the parts with Ray: on the cluster at this address or in RAY_ADDRESS, else on this machine.",
    ),
]
WorkerCpus = Annotated[
    int | None,
    typer.Option(
        "--worker-cpus",
        min=1,
        metavar="N",
        rich_help_panel=PANEL,
        help="Threads of each process, part of the plan.  [default: 1 with --on, else one per core]",
    ),
]
WorkerGpus = Annotated[
    float | None,
    typer.Option(
        "--worker-gpus",
        min=0,
        metavar="N",
        rich_help_panel=PANEL,
        help="Graphics cards of each process on Ray.",
    ),
]


@frozen_dataclass
class Share:
    """A contiguous share of the parts: number `index` of `count`, from 0."""

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Share":
        """The share that `17/64` means.

        Raises:
            UsageError: it means none.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if not match or int(match[1]) >= int(match[2]):
            raise UsageError(
                f"--part {text} is no share of the parts", "the first of 64 is 0/64, the last 63/64"
            )
        return cls(int(match[1]), int(match[2]))

    def of(self, parts: int) -> range:
        """The numbers of its parts."""
        return range(self.index * parts // self.count, (self.index + 1) * parts // self.count)


@frozen_dataclass
class Division:
    """How an output in parts is computed.

    Attributes:
        place: folder or URL of the parts.
        size: inputs of a part; None for that of the plan, else the default.
        share: of the parts; None for all.
        plan_only: compute nothing.
        resume: compute the parts that are missing.
        on: where Ray runs; None to compute in this process.
        cpus: threads of each process; None for the default.
        gpus: graphics cards of each process.
    """

    place: str
    size: int | None
    share: Share | None
    plan_only: bool
    resume: bool
    on: str | None
    cpus: int | None
    gpus: float

    def resources(self, plan: "Plan | None") -> "Resources":
        """What each process computes with: what was asked for, else what is planned, else what is usual."""
        from cnncli.distribution.tasks import Resources

        usual = plan.threads if plan else 1 if self.on else None
        return Resources(self.cpus or usual, plan.batch_size if plan else None)

    def refuse(self, **others: object) -> None:
        """Check that options that do not go with parts are not given, as `refuse` does."""
        refuse("--parts", **others)


@frozen_dataclass
class PartOptions(OptionGroup):
    """The options of an output in parts."""

    parts: Place = None
    part_size: PartSize = None
    part: ShareOption = None
    plan_only: PlanOnly = False
    on: On = None
    worker_cpus: WorkerCpus = None
    worker_gpus: WorkerGpus = None

    def division(self, *, resume: bool) -> "Division | None":
        """How the output is divided; None without `--parts`.

        Raises:
            UsageError: an option needs another one, or is invalid.
            MissingPackageError: `--on` needs a package that is not installed.
        """
        if self.parts is None:
            for name, value in ((field.name, getattr(self, field.name)) for field in fields(self)):
                if value is not None and value is not False:
                    flag = f"--{name.replace('_', '-')}"
                    raise UsageError(f"{flag} has no effect without --parts", "add --parts DIR")
            return None
        if self.worker_gpus is not None and self.on is None:
            raise UsageError("--worker-gpus has no effect without --on", "--device chooses the device")
        if self.on is not None:
            _require_ray(self.on)
        share = Share.parse(self.part) if self.part else None
        return Division(
            self.parts,
            self.part_size,
            share,
            self.plan_only,
            resume,
            self.on,
            self.worker_cpus,
            self.worker_gpus or 0.0,
        )


def refuse(option: str, **others: object) -> None:
    """Check that options that do not go with another one are not given.

    Args:
        option: the other one.
        others: their values by name.

    Raises:
        UsageError: one is given.
    """
    for name, value in others.items():
        if value is not None and value is not False:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} does not work with {option}", f"leave out {flag}")


def _require_ray(on: str) -> None:
    """Check that the parts can be computed there.

    Raises:
        UsageError: it is not Ray.
        MissingPackageError: it is not installed.
    """
    if on != RAY and not on.startswith(f"{RAY}://"):
        raise UsageError(
            f"--on {on} is not known", f"use {RAY}, or the address of a cluster, {RAY}://HOST:10001"
        )
    if importlib.util.find_spec("ray") is None:
        raise MissingPackageError("--on needs the package ray", install_command("cnncli[ray]"))


def run_in_parts(parts: Division, task: "PartTask", inputs: "PlanInputs", console: Console) -> None:
    """Plan an output in parts, and compute those that are missing.

    Raises:
        CnncliError: the inputs cannot be read, the network cannot run, or the store cannot be written.
        typer.Exit: there were unreadable inputs, or parts failed.
    """
    from cnncli.distribution.compute import compute_parts, mark_success
    from cnncli.distribution.plan import find_plan, make_plan
    from cnncli.distribution.store import open_store

    store = open_store(parts.place)
    plan = find_plan(store)
    if plan and not (parts.resume or parts.share or parts.plan_only):
        raise OutputError(f"{store} already has a plan", "--resume computes the parts that are missing")
    if plan:
        plan.require_same({"command": task.command, "inputs": inputs.text}, store)
    with console.spinner("opening the network"):
        worker = task.open(parts.resources(plan), console)
    with console.spinner("planning"):
        plan = make_plan(task, worker, inputs, store, plan, size=parts.size)
    if not mark_success(plan, store):
        console.notice(f"{store} is already complete; skipped")
        return
    if parts.plan_only:
        images = counted(sum(part.inputs for part in plan.parts), "image")
        console.notice(f"{store}: planned {counted(len(plan.parts), 'part')} of {images}")
        return
    share = (parts.share or Share()).of(len(plan.parts))
    missing = [number for number in plan.missing(store.names()) if number in share]
    total, todo = (sum(plan.parts[number].inputs for number in numbers) for numbers in (share, missing))
    with image_progress(console, lambda: total, total - todo, is_hidden=False) as advance:
        try:
            if parts.on:
                outcome = _compute_on_ray(parts, task, plan, missing, advance)
            else:
                outcome = compute_parts(worker, plan, store, missing, advance)
        except KeyboardInterrupt:
            console.notice(f"finished parts are kept in {store}; --resume computes the others")
            raise
    _report(outcome, plan, store, mark_success(plan, store), console)


def _compute_on_ray(
    parts: Division, task: "PartTask", plan: "Plan", numbers: list[int], advance: Callable[[], None]
) -> "Outcome":
    from cnncli.distribution.on_ray import RayOptions, compute_on_ray

    options = RayOptions(None if parts.on == RAY else parts.on, plan.threads, parts.gpus)
    return compute_on_ray(task, parts.place, numbers, options, advance)


def _report(
    outcome: "Outcome", plan: "Plan", store: "Store", missing: Iterable[int], console: Console
) -> None:
    """Report what was computed, and how to go on.

    Raises:
        typer.Exit: there were unreadable inputs, or parts failed.
    """
    from cnncli.distribution.tasks import EvaluateTask

    for failure in outcome.failures:
        console.warning(f"part {failure.number}: {failure.reason}")
    remaining = len(list(missing))
    failures = f", {outcome.unreadable:,} could not be read" if outcome.unreadable else ""
    console.notice(
        f"{store}: {counted(outcome.inputs, 'record')}{failures}; "
        f"{len(plan.parts) - remaining:,} of {counted(len(plan.parts), 'part')} done"
    )
    if not remaining:
        console.notice(
            f"cnncli evaluate DATA --from {quote(store)} computes figures from them"
            if plan.command == EvaluateTask.command
            else f"cnncli join {quote(store)} -o FILE{plan.ending} puts them together"
        )
    if outcome.failures:
        console.notice("--resume computes the parts that failed")
        raise typer.Exit(FAILED_PARTS)
    if outcome.unreadable:
        raise typer.Exit(options.UNREADABLE_INPUTS)
