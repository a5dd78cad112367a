"""`cnncli predict`: classify images."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import options, prediction
from cnncli.cli import parts as in_parts
from cnncli.cli.console import Console, discard_stdout, quiet_libraries
from cnncli.cli.inputs import Inputs
from cnncli.cli.option_groups import ComputeOptions, InputListOptions, NetworkOptions, takes_groups
from cnncli.cli.progress import image_progress
from cnncli.cli.sheet import Sheet
from cnncli.cli.sinks import Destination, Sink, require_valid_for_parts
from cnncli.interrupts import Interrupts
from cnncli.records.defaults import TOPK
from cnncli.records.predictions import Unreadable
from cnncli.render.formats import Format

if TYPE_CHECKING:
    from cnncli.predict import Predictor


@takes_groups
def predict(
    inputs: options.Inputs = None,
    model: options.Model = None,
    *,
    network: NetworkOptions,
    labels: options.Labels = None,
    topk: Annotated[
        int | None,
        typer.Option(
            "--topk",
            "-k",
            min=1,
            metavar="INT",
            help="Number of classes per image, most probable first.  "
            f"[default: {TOPK}; for a multi-label model, all above their thresholds]",
        ),
    ] = None,
    threshold: prediction.Threshold = None,
    answers: prediction.ClassOptions,
    exif: Annotated[
        bool,
        typer.Option(
            "--exif",
            help="Add when, with which camera and where each photo was taken: the columns taken, camera, latitude and longitude.",
        ),
    ] = False,
    tta: options.Tta = False,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="Output format; default: table on a terminal, by the ending of --output, else tsv (top class only).",
            show_default=False,
        ),
    ] = None,
    output: options.Output = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    parts: in_parts.PartOptions,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            metavar="FILE.png",
            help="Save the first 60 images with bars of their probabilities.",
        ),
    ] = None,
    labels_from: Annotated[
        Path | None,
        typer.Option(
            "--labels-from",
            metavar="LIST.csv",
            help="True labels of images on the --sheet: a CSV or TSV list with the columns path and label, or one column for "
            "each task of the model.  [default: names of their folders]",
        ),
    ] = None,
    watch: Annotated[
        str | None,
        typer.Option(
            "--watch",
            metavar="DIR",
            help="Then classify images as they arrive in this folder, each when it is complete, until Ctrl-C.",
            show_default=False,
        ),
    ] = None,
    paths: InputListOptions,
    image_column: options.ImageColumn = None,
    exact_decode: options.ExactDecode = False,
    computation: ComputeOptions,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Classify images.

    Writes one record per input, in input order; an image that cannot be read is reported in its place.

    \b
    Examples:
      cnncli predict photo.jpg
      cnncli predict photo.jpg -m resnet50
      cnncli predict photos/ -m a/model/folder -o predictions.csv
      find . -name '*.jpg' | cnncli predict --files-from - -m runs/photos
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet, verbose=verbose)
    images = paths.inputs(inputs, image_column, watch)
    division = parts.division(resume=resume)
    if division:
        division.refuse(
            output=output,
            overwrite=overwrite,
            sheet=sheet,
            labels_from=labels_from,
            watch=watch,
            known=answers.known,
        )
        part_format = require_valid_for_parts(format_, exif=exif)
    else:
        in_parts.refuse("--watch", resume=watch and resume)
        destination = Destination.from_options(format_, output, resume=resume, overwrite=overwrite, exif=exif)
        picture_sheet = Sheet.from_options(
            sheet, labels_from=labels_from, output=output, resume=resume, overwrite=overwrite
        )
        if destination.is_complete:
            console.notice(f"{output} is already complete; skipped (--overwrite starts again)")
            return
    with quiet_libraries():
        with console.spinner("opening the network"):
            images.begin()
            settings = answers.settings(
                topk, threshold, computation.inference(tta=tta, exact_decode=exact_decode), exif=exif
            )
            reference = network.reference(model, console, labels)
            reference, settings = settings.choose_classes(reference, answers.prompt, console)
        if division:
            from cnncli.distribution.tasks import PredictTask

            task = PredictTask(reference, settings, part_format, is_offline=network.offline)
            in_parts.run_in_parts(division, task, images.for_parts(), console)
            return
        with console.spinner("opening the network"):
            from cnncli.engines.select import open_in_background
            from cnncli.prepare import prepare

            folder = prepare(reference, console, is_offline=network.offline, needs_classes=True)
            picture_sheet.read_labels(settings.answer_classes(folder.card).card)
            with open_in_background(folder, settings.inference):
                from cnncli.predict import Predictor  # meanwhile: it imports Pillow

                predictor = Predictor(folder, settings, console)
        console.detail(str(predictor))
        with Interrupts(images.watch.stop) if images.watch else contextlib.nullcontext():
            sink = _run(predictor, images, destination, picture_sheet, console)
    if sink.unreadable:
        raise typer.Exit(options.UNREADABLE_INPUTS)


@contextlib.contextmanager
def _progress(
    images: Inputs, console: Console, completed: int, *, is_hidden: bool
) -> Iterator[Callable[[], None]]:
    """A function to call once per image; a terminal shows a bar, or that a folder is watched."""
    if images.watch is None:
        with image_progress(console, images.count, completed, is_hidden=is_hidden) as advance:
            yield advance
        return
    message = f"watching {images.watch.folder} for new images (Ctrl-C ends)"
    if is_hidden or not console.shows_bars:
        console.notice(message)
        yield lambda: None
        return
    with console.spinner(message):
        yield lambda: None


def _run(
    predictor: "Predictor", images: Inputs, destination: Destination, picture_sheet: Sheet, console: Console
) -> Sink:
    """Predict and write the records; those written before an interrupt are kept."""
    sources = images.sources(console)
    is_closed = False  # the reader of a pipe may have closed it before the sheet is full
    with (
        destination.open_sink(predictor.identity, sources, predictor.layout) as sink,
        _progress(images, console, sink.records, is_hidden=destination.hides_progress) as advance,
        contextlib.closing(predictor.predict(sources)) as records,
    ):
        try:
            for record in records:
                try:
                    sink.write(record)
                except BrokenPipeError:
                    if picture_sheet.is_full:
                        raise
                    discard_stdout()
                    is_closed = True
                    sink.write(record)
                picture_sheet.add(record)
                if is_closed and picture_sheet.is_full:
                    break
                advance()
                if not destination.format.spec.has_reasons and isinstance(record, Unreadable):
                    console.warning(f"{record.path}: {record.reason}")
        except KeyboardInterrupt:
            if sink.records:
                destination.report_interrupt(console)
            raise
        if not sink.records and destination.output:  # a file without a record is not kept
            raise images.no_images_error()
    if not sink.records:
        raise images.no_images_error()
    picture_sheet.save(predictor.answer_card, console)
    destination.report_counts(sink, console)
    return sink
