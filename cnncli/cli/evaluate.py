"""`cnncli evaluate`: measure how accurate a model is, and show where it fails."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import completion, evaluation_parts, options
from cnncli.cli import parts as in_parts
from cnncli.cli.console import Console, quiet_libraries
from cnncli.cli.evaluation_output import Destination, EvaluationFormat
from cnncli.cli.list_options import ListOptions
from cnncli.cli.option_groups import ComputeOptions, takes_groups
from cnncli.cli.progress import image_bars
from cnncli.errors import UsageError
from cnncli.records.choices import SplitChoice
from cnncli.records.defaults import DEFAULT, KNOWN_SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnncli.evaluation.evaluate import EvaluationSettings
    from cnncli.networks.model_folder import ModelFolder
    from cnncli.networks.reference import Reference


_DATA = "Data"


@takes_groups
def evaluate(
    data: options.Data,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            autocompletion=completion.complete_model,
            show_default=False,
            help="Model to evaluate, named as for predict; repeat to compare the first with the second.  "
            f"[env var: CNNCLI_MODEL; default: {DEFAULT}]",
        ),
    ] = None,
    split: Annotated[
        SplitChoice | None,
        typer.Option(
            "--split",
            help="Images to evaluate on; by default test if there is one, else val (that of the model's run), else all.",
            show_default=False,
        ),
    ] = None,
    ensemble: Annotated[
        bool,
        typer.Option("--ensemble", help="Average the probabilities of all models instead of comparing them."),
    ] = False,
    tta: options.Tta = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            min=0,
            max=1,
            metavar="P",
            help="Also report coverage and accuracy at this confidence threshold; where an image may have several labels, predict "
            "those with at least this probability, in place of the model's own thresholds.",
        ),
    ] = None,
    others: Annotated[
        str | None,
        typer.Option(
            "--others",
            metavar="DIR",
            help="Images that show none of the classes: also report how well they are told apart from DATA (AUROC, and the rates at the "
            "threshold of --unfamiliar).",
        ),
    ] = None,
    unfamiliar: Annotated[
        float | None,
        typer.Option(
            "--unfamiliar",
            min=0,
            max=1,
            metavar="SHARE",
            help=f"Share of known images to keep when --others are told apart from them.  [default: {KNOWN_SHARE}]",
        ),
    ] = None,
    format_: Annotated[
        EvaluationFormat,
        typer.Option("--format", "-f", help="Format of standard output; csv has one line per class."),
    ] = EvaluationFormat.TABLE,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder to write to: report.html, tables, pictures.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier evaluation in the --output folder.")
    ] = False,
    *,
    parts: in_parts.PartOptions,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            rich_help_panel=in_parts.PANEL,
            help="Compute the parts of an interrupted run that are missing.",
        ),
    ] = False,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DIR|URL",
            rich_help_panel=in_parts.PANEL,
            help="Evaluate the answers in the parts of evaluate (all figures) or predict (top-1 and top-k); runs no model.",
        ),
    ] = None,
    subset: Annotated[
        bool,
        typer.Option(
            "--subset", help="Only the classes of these images can be predicted.", rich_help_panel=_DATA
        ),
    ] = False,
    class_map: Annotated[
        Path | None,
        typer.Option(
            "--map",
            metavar="FILE",
            help="CSV of class names: the data's name, the model's name.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    lists: ListOptions,
    exact_decode: options.ExactDecode = False,
    computation: ComputeOptions,
    weights: options.Weights = None,
    labels: options.Labels = None,
    img_size: options.ImageSize = None,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
) -> None:
    """Evaluate a model on labelled images: accuracy, calibration, confusion matrix, mistakes.

    Classes are matched by name, WordNet identifier or index. Confidence intervals are from 1,000 bootstrap resamples with a
    fixed seed. Models with several labels per image, or several tasks, are evaluated on a list with a column for each task.

    \b
    Examples:
      cnncli evaluate photos/ -m runs/photos
      cnncli evaluate photos/ -m runs/photos -o results/       # with report.html
      cnncli evaluate photos/ -m runs/new -m runs/old    # compare two
      cnncli evaluate photos/ -m runs/photos --others holidays/    # images of none of the classes
      cnncli evaluate photos/ -m runs/photos --parts parts/ && cnncli evaluate photos/ --from parts/
      cnncli evaluate list.tsv --path-column file --label-column wnid -m resnet50
      cnncli evaluate list.csv -m runs/tags     # columns named like the tasks of the run
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    names = models or ([] if from_ else list(filter(None, [os.environ.get("CNNCLI_MODEL")])))
    _require_consistent(
        names,
        ensemble=ensemble,
        has_weights=bool(weights or labels),
        output=output,
        overwrite=overwrite,
    )
    if unfamiliar is not None and others is None:
        raise UsageError("--unfamiliar has no effect without --others", "add --others DIR")
    options.image_size(img_size)  # usage errors come before slow imports
    division = parts.division(resume=resume)
    is_table = format_ is EvaluationFormat.TABLE
    evaluation_parts.require_consistent(
        division,
        from_,
        figures={"from": from_, "output": output, "map": class_map, "threshold": threshold}
        | {"subset": subset, "format": not is_table, "others": others},
        networks={
            "others": others,
            "model": models,
            "tta": tta,
            "weights": weights,
            "labels": labels,
            "img-size": img_size,
        },
        resume=resume,
    )
    with quiet_libraries(), console.spinner("evaluating"):
        from cnncli.evaluation import output as outputs
        from cnncli.evaluation.evaluate import EvaluationSettings

        if output:
            outputs.require_output_folder(output, overwrite=overwrite)
        settings = EvaluationSettings(
            data=data,
            columns=lists.columns(),
            split=split,
            subset=subset,
            class_map=class_map,
            ensemble=ensemble,
            threshold=threshold,
            others=others,
            unfamiliar=KNOWN_SHARE if unfamiliar is None else unfamiliar,
            inference=computation.inference(tta=tta, exact_decode=exact_decode),
        )
        destination = Destination(format_, output, overwrite)
        if from_:
            evaluation_parts.evaluate_parts(settings, from_, destination, console)
            return
        references = [
            options.reference(name, console, weights=weights, labels=labels, img_size=img_size)
            for name in names or (None,)
        ]
        if division:
            evaluation_parts.compute_parts(division, references[0], settings, console, is_offline=offline)
        else:
            _evaluate_models(settings, references, destination, console, is_offline=offline)


def _evaluate_models(
    settings: "EvaluationSettings",
    references: "Sequence[Reference]",
    destination: Destination,
    console: Console,
    *,
    is_offline: bool,
) -> None:
    """Run networks on the images, and write the figures."""
    from cnncli.evaluation.evaluate import evaluate as run
    from cnncli.evaluation.evaluate import plan_evaluation
    from cnncli.evaluation.tasks.evaluate import concerns_tasks
    from cnncli.prepare import prepare

    folders = [
        prepare(reference, console, is_offline=is_offline, needs_classes=True) for reference in references
    ]
    if concerns_tasks(settings, folders):
        _evaluate_tasks(settings, folders, destination, console)
        return
    destination.require_effect(threshold=settings.threshold, others=settings.others)
    plan = plan_evaluation(settings, folders, console)
    destination.require_outside(settings.data)
    if destination.format is not EvaluationFormat.TABLE:  # which begins with this line
        console.notice(str(plan))
    destination.write(plan, run(plan, console, image_bars(console)), console)


def _evaluate_tasks(
    settings: "EvaluationSettings",
    folders: "Sequence[ModelFolder]",
    destination: Destination,
    console: Console,
) -> None:
    """Run networks with tasks on the images, and write the figures."""
    from cnncli.evaluation.tasks.evaluate import evaluate_plan, plan_tasks

    destination.require_effect(others=settings.others)
    plan = plan_tasks(settings, folders, console)
    destination.require_outside(settings.data)
    if destination.format is not EvaluationFormat.TABLE:  # which begins with this line
        console.notice(str(plan))
    destination.write_tasks(plan, evaluate_plan(plan, console, image_bars(console)), console)


def _require_consistent(
    models: list[str],
    *,
    ensemble: bool,
    has_weights: bool,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Check that the options do not contradict each other.

    Raises:
        UsageError: they do.
    """
    if ensemble and len(models) <= 1:
        raise UsageError("--ensemble needs several models", "repeat -m")
    if len(models) > 1 and has_weights:
        raise UsageError(
            "--weights and --labels work with one model only",
            "prepare each model first: `cnncli pull MODEL --weights FILE --labels FILE --save-as NAME`",
        )
    if overwrite and not output:
        raise UsageError("--overwrite needs --output", "leave it out")
