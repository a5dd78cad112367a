"""`cnncli finetune`: teach a network the classes of a labelled folder."""

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.config import Config
from cnncli.cli.console import Console, is_terminal, quiet_libraries, write_data
from cnncli.cli.options import ResultFormat
from cnncli.cli.progress import image_progress
from cnncli.errors import UsageError
from cnncli.records.running import EngineName, Precision, Running
from cnncli.records.training import ClassifierName, ClassWeights, Tune


def finetune(
    data: options.Data,
    model: options.Model = None,
    weights: options.Weights = None,
    no_pretrained: options.NoPretrained = False,
    img_size: options.ImageSize = None,
    offline: options.Offline = False,
    tune: Annotated[
        Tune, typer.Option("--tune", help="What learns: features fits a classifier to what the network sees.")
    ] = Tune.FEATURES,
    classifier: Annotated[
        ClassifierName,
        typer.Option("--classifier", help="auto tries all, and takes the first that is as good as the best."),
    ] = ClassifierName.AUTO,
    augment_features: Annotated[
        int,
        typer.Option(
            "--augment-features",
            metavar="N",
            help="Learn from N random views of each image, too.",
            min=0,
            max=100,
        ),
    ] = 0,
    class_weights: Annotated[
        ClassWeights,
        typer.Option("--class-weights", help="balanced lets rare classes count as much as others."),
    ] = ClassWeights.NONE,
    val_split: Annotated[
        float,
        typer.Option("--val-split", metavar="SHARE", help="Of each class, held out where there is no val/."),
    ] = 0.2,
    seed: Annotated[int, typer.Option("--seed", metavar="INT", min=0, help="Of every random choice.")] = 0,
    path_column: options.PathColumn = "path",
    label_column: options.LabelColumn = "label",
    split_column: options.SplitColumn = "split",
    root: options.Root = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="The folder of the run.  [default: runs/NAME, or the next that is free]",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier run in --output.")
    ] = False,
    config: Config = None,  # noqa: ARG001 - its callback has read it
    format_: Annotated[
        ResultFormat, typer.Option("--format", "-f", help="How the result is told on standard output.")
    ] = ResultFormat.TABLE,
    max_pixels: options.MaxPixels = None,
    device: options.Device = "auto",
    engine: options.Engine = EngineName.AUTO,
    precision: options.PrecisionOption = Precision.FP32,
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    quiet: options.Quiet = False,
) -> None:
    """Teach a network the classes of a labelled folder; the run is a model folder that predict uses.

    The network stays as it is, and a classifier is fitted to its features, which takes seconds. Features are kept: a
    second run on the same images does not compute them again.

    \b
    Examples:
      cnncli finetune photos/ -m resnet50
      cnncli predict -m runs/photos new.jpg
      cnncli finetune list.csv -m resnet50 --classifier svm --augment-features 4 -o runs/svm
      cnncli finetune -c runs/photos/settings.toml photos/ -o runs/again
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    if not model:
        raise UsageError("no model is given", "use -m resnet50, -m a/model/folder, or set CNNCLI_MODEL")
    size = options.image_size(img_size)
    with quiet_libraries():
        from cnncli.data.layout import ListColumns
        from cnncli.images.decode import MAX_PIXELS
        from cnncli.networks.reference import Reference
        from cnncli.training.features import finetune_features
        from cnncli.training.settings import FinetuneSettings

        settings = FinetuneSettings(
            data=data,
            reference=Reference(model, weights, pretrained=not no_pretrained, image_size=size),
            columns=ListColumns(path_column, label_column, split_column, root),
            output=output,
            overwrite=overwrite,
            tune=tune,
            classifier=classifier,
            augment_features=augment_features,
            class_weights=class_weights,
            val_split=val_split,
            seed=seed,
            max_pixels=max_pixels or MAX_PIXELS,
            running=Running(engine, device, precision),
            batch_size=batch_size,
            workers=workers,
        )
        result = finetune_features(settings, console, _bar(console), is_offline=offline)
        if format_ is ResultFormat.JSON:
            from cnncli.render.finetuned import finetuned_json

            write_data(finetuned_json(result))
        else:
            from cnncli.render.finetuned import finetuned_text

            width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None
            write_data(finetuned_text(result, width))
            console.notice(f"use it: cnncli predict -m {result.folder} IMAGE")
    if result.unreadable:
        raise typer.Exit(options.UNREADABLE_INPUTS)


def _bar(console: Console) -> Callable[[int], contextlib.AbstractContextManager[Callable[[], None]]]:
    """A moving bar for so many images."""

    @contextlib.contextmanager
    def bar(images: int) -> Iterator[Callable[[], None]]:
        with image_progress(console, lambda: images, 0, is_hidden=False) as advance:
            yield advance

    return bar
