"""`cnncli next`: which images to label next."""

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import completion, options
from cnncli.cli.console import Console, quiet_libraries, write_data
from cnncli.cli.option_groups import ComputeOptions, InputListOptions, takes_groups
from cnncli.cli.progress import image_bars
from cnncli.cli.sheet import Sheet
from cnncli.errors import UsageError
from cnncli.records.engines import InferenceOptions
from cnncli.text import counted, path_text

if TYPE_CHECKING:
    from cnncli.curation.next_labels import NextImages
    from cnncli.networks.model_folder import ModelFolder
    from cnncli.records.predictions import Record


class NextFormat(enum.StrEnum):
    """Output format of the chosen images."""

    PATHS = "paths"
    JSON = "json"


@takes_groups
def next(  # noqa: A001 - the command is called so
    inputs: options.Inputs = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            envvar="CNNCLI_MODEL",
            metavar="RUN",
            autocompletion=completion.complete_model,
            help="A run of `cnncli finetune`, or any other model of the classes that images are labelled with.  [required]",
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-n", metavar="INT", min=1, help="Number of images to choose.")
    ] = 50,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet", metavar="FILE.png", help="Also save a picture of the images with predictions."
        ),
    ] = None,
    format_: Annotated[
        NextFormat,
        typer.Option("--format", "-f", help="One path per line, or JSON with predictions and uncertainties."),
    ] = NextFormat.PATHS,
    *,
    paths: InputListOptions,
    image_column: options.ImageColumn = None,
    computation: ComputeOptions,
    offline: options.Offline = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Choose the unlabelled images that are most worth a label: those that a run is unsure of, different from each other.

    Images in the run's data are left out, wherever they are. The method is that of Zhdanov (2019): k-means among the images with
    the smallest margins between the two most probable classes, weighted by how small these are.

    \b
    Examples:
      cnncli next unlabelled/ -m runs/flowers
      cnncli next unlabelled/ -m runs/flowers -n 20 --sheet next.png > to-label.txt
      cnncli next unlabelled/ -m runs/flowers -f json
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    if model is None:
        raise UsageError(
            "no run is named", "add -m RUN, a model of the classes that images are labelled with"
        )
    images = paths.inputs(inputs, image_column)
    picture = Sheet.from_options(sheet, labels_from=None, output=None, resume=False, overwrite=overwrite)
    with quiet_libraries(), console.spinner("opening the network"):
        from cnncli.curation.next_labels import choose_next
        from cnncli.prepare import prepare
        from cnncli.records.predictions import ImageSource, Unreadable

        inference = computation.inference()
        folder = prepare(options.reference(model, console), console, is_offline=offline, needs_classes=True)
        with console.spinner("finding the images"):
            entries = list(images.sources(console))
        sources = [entry for entry in entries if isinstance(entry, ImageSource)]
        if not sources:
            raise images.no_images_error()
        chosen = choose_next(sources, folder.path, folder, count, inference, console, image_bars(console))
        _print(chosen, folder, inference, format_, picture, console)
    unreadable = [*(entry for entry in entries if isinstance(entry, Unreadable)), *chosen.unreadable]
    for item in unreadable:
        console.warning(f"{item.path}: {item.reason}")
    if unreadable:
        raise typer.Exit(options.UNREADABLE_INPUTS)


def _print(
    chosen: "NextImages",
    folder: "ModelFolder",
    inference: InferenceOptions,
    format_: NextFormat,
    sheet: Sheet,
    console: Console,
) -> None:
    """Print and draw the chosen images."""
    records = (
        _predictions(chosen, folder, inference, console)
        if format_ is NextFormat.JSON or not sheet.is_full
        else []
    )
    if format_ is NextFormat.JSON:
        from cnncli.render.next_images import next_images_json

        write_data(next_images_json(records, chosen.uncertainties), is_last=sheet.is_full)
    else:
        write_data("".join(f"{path_text(source.path)}\n" for source in chosen.sources), is_last=sheet.is_full)
    for record in records:
        sheet.add(record)
    sheet.save(folder.card, console)
    console.notice(f"{len(chosen.sources):,} of {counted(chosen.unlabelled, 'unlabelled image')}")


def _predictions(
    chosen: "NextImages", folder: "ModelFolder", inference: InferenceOptions, console: Console
) -> "list[Record]":
    from cnncli.networks.predict_settings import PredictSettings
    from cnncli.predict import Predictor

    with console.spinner("classifying the chosen images"):
        return list(Predictor(folder, PredictSettings(inference=inference), console).predict(chosen.sources))
