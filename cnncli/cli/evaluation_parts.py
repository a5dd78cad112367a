"""`cnncli evaluate` in parts: their computation, and figures from parts that have been computed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from cnncli.cli import options
from cnncli.cli import parts as in_parts
from cnncli.cli.console import Console, write_data
from cnncli.cli.evaluation_output import Destination, EvaluationFormat
from cnncli.errors import UsageError

if TYPE_CHECKING:
    from cnncli.distribution.plan import Plan
    from cnncli.distribution.store import Store
    from cnncli.evaluation.evaluate import EvaluationSettings
    from cnncli.networks.reference import Reference


def evaluate_parts(
    settings: "EvaluationSettings", place: str, destination: Destination, console: Console
) -> None:
    """Write the figures of answers that lie in parts.

    Raises:
        typer.Exit: some images could not be read.
    """
    from cnncli.distribution import figures
    from cnncli.distribution.plan import require_plan
    from cnncli.distribution.store import open_store
    from cnncli.distribution.tasks import PredictTask
    from cnncli.evaluation.tasks.evaluate import concerns_tasks
    from cnncli.render.evaluation_json import top_accuracy_json
    from cnncli.render.evaluation_text import top_accuracy_text

    store = open_store(place)
    parts = require_plan(store)
    if concerns_tasks(settings, [figures.model_of(parts, store)]):
        _evaluate_task_parts(settings, parts, store, destination, console)
        return
    destination.require_effect(threshold=settings.threshold)
    plan = figures.plan_figures(settings, parts, store)
    destination.require_outside(settings.data)
    if parts.command != PredictTask.command:
        destination.write(plan, [figures.evaluate_parts(plan, parts, store, console)], console)
        return
    if destination.output or destination.format is EvaluationFormat.CSV:
        raise UsageError(
            f"{store} holds the most probable classes only, which give no such figures", _ALL_FIGURES
        )
    result = figures.top_accuracy(plan, parts, store, console)
    write_data(
        (top_accuracy_json if destination.format is EvaluationFormat.JSON else top_accuracy_text)(result)
    )
    console.notice(f"only top-1 and top-{result.k}: {store} holds the most probable classes; {_ALL_FIGURES}")
    if result.unreadable:
        raise typer.Exit(options.UNREADABLE_INPUTS)


def _evaluate_task_parts(
    settings: "EvaluationSettings", parts: "Plan", store: "Store", destination: Destination, console: Console
) -> None:
    """Write the figures of the probabilities that a network with tasks gave."""
    from cnncli.distribution import task_figures

    plan = task_figures.plan_figures(settings, parts, store)
    destination.require_outside(settings.data)
    destination.write_tasks(plan, task_figures.evaluate_parts(plan, parts, store, console), console)


_ALL_FIGURES = "all figures need `cnncli evaluate DATA --parts DIR`"


def compute_parts(
    division: in_parts.Division,
    reference: "Reference",
    settings: "EvaluationSettings",
    console: Console,
    *,
    is_offline: bool,
) -> None:
    """Compute the probabilities of all classes in parts."""
    from cnncli.data import layout
    from cnncli.distribution.plan import PlanInputs
    from cnncli.distribution.tasks import EvaluateTask
    from cnncli.evaluation.evaluate import choose_images
    from cnncli.evaluation.tasks.evaluate import concerns_tasks, plan_tasks
    from cnncli.prepare import prepare

    folder = prepare(reference, console, is_offline=is_offline, needs_classes=True)
    if concerns_tasks(settings, [folder]):
        selection = plan_tasks(settings, [folder], console).selection
    else:
        data = layout.read(settings.data, settings.columns)
        selection = choose_images(data, settings.split, [folder], console)
    task = EvaluateTask(
        reference, settings.inference, selection.split, selection.split_source, is_offline=is_offline
    )
    sources = [sample.source for sample in selection.samples]
    in_parts.run_in_parts(division, task, PlanInputs(str(settings.data), lambda: sources), console)


def require_consistent(
    division: in_parts.Division | None,
    from_: str | None,
    figures: Mapping[str, object],
    networks: Mapping[str, object],
    *,
    resume: bool,
) -> None:
    """Check that parts are either computed, by one model, or evaluated.

    Args:
        division: how they are computed; None if they are not.
        from_: where the parts are that are evaluated.
        figures: options that only figures depend on, by name.
        networks: options of the model, by name.
        resume: `--resume`.

    Raises:
        UsageError: the options contradict each other.
    """
    models = networks["model"]
    if division and isinstance(models, list) and len(models) > 1:
        raise UsageError("--parts works with one model", "give each model a folder of its own")
    if division:
        division.refuse(**figures)
    elif resume:
        raise UsageError("--resume has no effect without --parts", "leave it out")
    if from_:
        in_parts.refuse("--from", **networks)
