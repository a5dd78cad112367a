"""`cnncli finetune`: fine-tune a network on labelled images."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnncli.cli import completion, options
from cnncli.cli.config import Config, Resume
from cnncli.cli.console import Console, quiet_libraries, terminal_width, write_data
from cnncli.cli.list_options import GroupedListOptions
from cnncli.cli.option_groups import NetworkOptions, takes_groups
from cnncli.cli.options import ResultFormat
from cnncli.cli.progress import image_bars, training_progress
from cnncli.cli.training_options import explicit_options, with_training_options
from cnncli.errors import UsageError
from cnncli.records.choices import TrackerName
from cnncli.records.defaults import MAX_SEED
from cnncli.records.engines import EngineName, EngineOptions, Precision
from cnncli.records.training import ClassifierName, ClassWeights, RecipeName, Timing
from cnncli.text import quote
from cnncli.training.processes import is_main
from cnncli.training.recipes import recipes_text
from cnncli.training.resolve import default_text

if TYPE_CHECKING:
    from cnncli.records.training import FinetuneResult
    from cnncli.training.settings import FeatureSettings, NetworkSettings

_DATA, _FEATURES = "Data", "Classifiers on features"


@with_training_options
@takes_groups
def finetune(
    context: typer.Context,
    data: options.Data,
    model: options.Model = None,
    tune: Annotated[
        str | None,
        typer.Option(
            "--tune",
            metavar="auto|features|head|last:N|full|scratch",
            autocompletion=completion.complete_tune,
            help="What to train: a classifier on the network's features; its last layer; its last N stages; the whole network; "
            "the whole network from random weights. auto starts with features and continues with the upper half of the stages if there is time.  "
            "[default: auto, or that of --recipe]",
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            metavar="NAME",
            autocompletion=completion.complete_layer,
            help="Cut the network at this layer: later layers are removed, and a new classifier gets its output, averaged over "
            "positions.  [default: the whole network]",
        ),
    ] = None,
    recipe: Annotated[
        RecipeName | None,
        typer.Option("--recipe", help=f"Defaults that other options override. {recipes_text()}"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder of the run.  [default: runs/NAME, or the next free one]",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier run in --output.")
    ] = False,
    resume: Resume = None,
    config: Config = None,
    track: Annotated[
        list[TrackerName] | None,
        typer.Option(
            "--track",
            help="Also log the run to MLflow or Weights & Biases; repeat it for both. --resume continues the same log, "
            "unless it is none.",
            show_default=False,
        ),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            "--preview", metavar="FILE.png", help="Save a picture of augmented training images, and stop."
        ),
    ] = None,
    format_: Annotated[
        ResultFormat, typer.Option("--format", "-f", help="Format of the result on standard output.")
    ] = ResultFormat.TABLE,
    quiet: options.Quiet = False,
    *,
    network: NetworkOptions,
    val_split: Annotated[
        float,
        typer.Option(
            "--val-split",
            metavar="SHARE",
            help="Share of each class that is held out if the data has no validation split.",
            rich_help_panel=_DATA,
        ),
    ] = 0.2,
    class_weights: Annotated[
        ClassWeights,
        typer.Option(
            "--class-weights",
            help="Class weights of the loss; balanced lets rare classes count as much as others.",
            rich_help_panel=_DATA,
        ),
    ] = ClassWeights.NONE,
    lists: GroupedListOptions,
    task_weight: Annotated[
        list[str] | None,
        typer.Option(
            "--task-weight",
            metavar="TASK=X",
            help="Weight of a task's loss, for each task of which it is not 1: --task-weight habitat=0.5.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    max_pixels: options.MaxPixels = None,
    classifier: Annotated[
        ClassifierName,
        typer.Option(
            "--classifier",
            help="Classifier on the features; auto compares all and keeps the first that is as good as the best.",
            rich_help_panel=_FEATURES,
        ),
    ] = ClassifierName.AUTO,
    augment_features: Annotated[
        int,
        typer.Option(
            "--augment-features",
            metavar="N",
            help="Also train the classifier on the features of N augmented views of each image.",
            rich_help_panel=_FEATURES,
            min=0,
            max=100,
        ),
    ] = 0,
    folds: Annotated[
        int,
        typer.Option(
            "--folds",
            metavar="K",
            help="With --tune features: also report mean and standard deviation of the accuracy over K folds.",
            rich_help_panel=_FEATURES,
            show_default=False,
        ),
    ] = 0,
    engine: options.Engine = EngineName.AUTO,
    precision: options.PrecisionOption = Precision.FP32,
    device: options.Device = "auto",
    batch_size: Annotated[
        int | None, options.batch_size_option(f"{default_text('batch_size')}; features auto")
    ] = None,
    workers: options.Workers = None,
    seed: Annotated[int, typer.Option("--seed", metavar="INT", min=0, max=MAX_SEED, help="Random seed.")] = 0,
    **training_options: Any,  # noqa: ANN401 - `cli.training_options` declares them
) -> None:
    """Fine-tune on labelled images; the result is a model folder for predict.

    By default, a classifier is first fitted to the network's features, which takes seconds. Then, if that fits into
    --time-budget, the upper half of the network is trained, too, and the better of the two is kept.

    \b
    Examples:
      cnncli finetune photos/
      cnncli finetune photos/ -m resnet50
      cnncli predict -m runs/photos new.jpg
      cnncli finetune photos/ -m resnet50 --tune features --classifier svm
      cnncli finetune photos/ -m resnet50 --tune last:2 --epochs 20 --mixup 0.2
      cnncli finetune photos/ -m lenet5 --tune scratch --opt sgd --lr auto
      cnncli finetune --resume runs/photos --epochs 40
    """  # noqa: D301 - Typer keeps the lines of a paragraph that starts with a backspace
    if resume and config:
        raise UsageError("--config has no effect with --resume, which uses the run's own settings")
    from cnncli.records.defaults import MAX_PIXELS
    from cnncli.training.requested import requested_settings

    start = time.perf_counter()
    console = Console(quiet=quiet or not is_main())
    settings = requested_settings(
        network.reference(model, console),
        tune,
        recipe,
        explicit_options(training_options) | ({"batch_size": batch_size} if batch_size else {}),
        console,
        track or (),
        data=data,
        layer=layer,
        columns=lists.columns(),
        output=output,
        overwrite=overwrite,
        classifier=classifier,
        augment_features=augment_features,
        folds=folds,
        class_weights=class_weights,
        val_split=val_split,
        seed=seed,
        max_pixels=max_pixels or MAX_PIXELS,
        engine_options=EngineOptions(engine, device, precision),
        workers=workers,
        task_weights=_parse_weights(task_weight or ()),
    )
    with quiet_libraries(), console.spinner("fine-tuning"):
        if preview:
            _save_preview(settings, preview, console, is_offline=network.offline)
        else:
            result = _train(settings, resume, console, is_offline=network.offline)
            if result:
                _print_result(_with_remaining_time(result, context.obj or start), recipe, format_, console)


def _save_preview(
    settings: "FeatureSettings | NetworkSettings", file: Path, console: Console, *, is_offline: bool
) -> None:
    from cnncli.training.preview import save_preview
    from cnncli.training.settings import FeatureSettings

    if isinstance(settings, FeatureSettings):
        raise UsageError("--preview has no effect with --tune features, which does not augment images")
    if not save_preview(settings, file, console, is_offline=is_offline):
        raise typer.Exit(options.UNREADABLE_INPUTS)


def _train(
    settings: "FeatureSettings | NetworkSettings", run: Path | None, console: Console, *, is_offline: bool
) -> "FinetuneResult | None":
    """Start a run, or resume one."""
    from cnncli.training.resume import find_started, resume
    from cnncli.training.run import finetune as start

    bar, show = image_bars(console), training_progress(console)
    if not run and (run := find_started(settings, console)):
        settings = replace(settings, output=None)
    if run:
        return resume(run, settings, console, bar, show)
    return start(settings, console, bar, show, is_offline=is_offline)


def _with_remaining_time(result: "FinetuneResult", start: float) -> "FinetuneResult":
    """The result, with the time that the program has spent outside its steps as another step."""
    rest = time.perf_counter() - start - sum(timing.seconds for timing in result.timings)
    return replace(result, timings=(*result.timings, Timing("everything else", rest)))


def _print_result(
    result: "FinetuneResult", recipe: RecipeName | None, format_: ResultFormat, console: Console
) -> None:
    """Write the result to standard output, and suggest how to use it."""
    from cnncli.render.finetuned import finetune_json, finetune_text, keras_scores

    if format_ is ResultFormat.JSON:
        write_data(finetune_json(result))
    else:
        width = terminal_width()
        write_data(finetune_text(result, width))
        if recipe is RecipeName.KERAS:
            write_data(keras_scores(result))
        if (report := Path(result.folder, "report.html")).exists():
            console.notice(f"report: {report}")
        console.notice(f"use it: cnncli predict -m {quote(result.folder)} IMAGE")
    if result.unreadable:
        raise typer.Exit(options.UNREADABLE_INPUTS)


def _parse_weights(texts: Sequence[str]) -> dict[str, float]:
    """`habitat=0.5` as a name and a number; the names may have = in them, too.

    Raises:
        UsageError: a text is something else, or a task is named twice.
    """
    weights: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not name or math.isnan(weight):
            raise UsageError(
                f"--task-weight {text!r} is not a task's name and a number", "write it as habitat=0.5"
            )
        if name in weights:
            raise UsageError(f"--task-weight names {name!r} twice", "name each task once")
        weights[name] = weight
    return weights
