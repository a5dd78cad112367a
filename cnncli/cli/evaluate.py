"""`cnncli evaluate`: how good is it, and where does it fail."""

import enum
import io
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import options
from cnncli.cli.console import Console, is_terminal, quiet_libraries, write_data
from cnncli.cli.progress import image_bars
from cnncli.errors import OutputError, UsageError
from cnncli.records.defaults import DEFAULT
from cnncli.records.engines import EngineName, EngineOptions, Precision

if TYPE_CHECKING:
    from cnncli.records.evaluation import Comparison, Evaluation


class EvaluationFormat(enum.StrEnum):
    """How an evaluation is told."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Split(enum.StrEnum):
    """Which images."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"
    ALL = "all"


_DATA = "Data"


def evaluate(
    data: options.Data,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            show_default=False,
            help="As for predict; given twice, the first is compared with the second.  "
            f"[env var: CNNCLI_MODEL; default: {DEFAULT}]",
        ),
    ] = None,
    split: Annotated[
        Split | None,
        typer.Option(
            "--split",
            help="Which images: test if there are such, else val (of a run, its own), else all.",
            show_default=False,
        ),
    ] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Average the answers of all models, instead of comparing them.")
    ] = False,
    tta: Annotated[
        bool, typer.Option("--tta", help="Look at each image mirrored, too, and average (twice the time).")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            min=0,
            max=1,
            metavar="P",
            help="Tell what is left if only answers above this count.",
        ),
    ] = None,
    format_: Annotated[
        EvaluationFormat,
        typer.Option(
            "--format", "-f", help="How it is told on standard output; csv has a line for each class."
        ),
    ] = EvaluationFormat.TABLE,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Write everything to a folder: report.html, tables, pictures.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier evaluation in --output.")
    ] = False,
    subset: Annotated[
        bool,
        typer.Option("--subset", help="Only the classes of these images can be said.", rich_help_panel=_DATA),
    ] = False,
    pairs: Annotated[
        Path | None,
        typer.Option(
            "--map",
            metavar="FILE",
            help="A CSV of pairs: what the data calls a class, what the model calls it.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    path_column: options.PathColumn = "path",
    label_column: options.LabelColumn = "label",
    split_column: options.SplitColumn = "split",
    root: options.Root = None,
    max_pixels: options.MaxPixels = None,
    exact_decode: options.ExactDecode = False,
    weights: options.Weights = None,
    labels: options.Labels = None,
    img_size: options.ImageSize = None,
    offline: options.Offline = False,
    device: options.Device = "auto",
    engine: options.Engine = EngineName.AUTO,
    precision: options.PrecisionOption = Precision.FP32,
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    quiet: options.Quiet = False,
) -> None:
    """How good is a model on labelled images, and where does it fail.

    Classes are matched by name, WordNet identifier or index. Intervals are from 1,000 bootstrap draws with a fixed seed.

    \b
    Examples:
      cnncli evaluate photos/ -m runs/photos
      cnncli evaluate photos/ -m runs/photos -o how-good/      # with report.html
      cnncli evaluate photos/ -m runs/new -m runs/old    # which is better, and where
      cnncli evaluate list.tsv --path-column file --label-column wnid -m resnet50
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    names = models or list(filter(None, [os.environ.get("CNNCLI_MODEL")]))
    if ensemble and len(names) <= 1:
        raise UsageError("--ensemble needs several models", "name each with an -m of its own")
    if len(names) > 1 and (weights or labels):
        raise UsageError(
            "--weights and --labels are for one model",
            "prepare each under a name: `cnncli pull MODEL --weights FILE --labels FILE --save-as NAME`",
        )
    if overwrite and not output:
        raise UsageError("--overwrite needs --output", "without it nothing is written that could be replaced")
    if threshold is not None and format_ is EvaluationFormat.CSV and not output:
        raise UsageError(
            "--threshold has no effect with -f csv",
            "-f table and -f json tell of it, coverage.csv in --output, too",
        )
    options.image_size(img_size)  # refused here, before anything heavy is imported
    with quiet_libraries():
        from cnncli.data.layout import ListColumns
        from cnncli.evaluation import output as outputs
        from cnncli.evaluation.comparing import compared
        from cnncli.evaluation.evaluate import EvaluateSettings, asked
        from cnncli.evaluation.evaluate import evaluate as ask
        from cnncli.inference import InferenceOptions
        from cnncli.prepare import prepare
        from cnncli.records.defaults import MAX_PIXELS

        if output:
            output = outputs.require_place(output, overwrite=overwrite)
        settings = EvaluateSettings(
            data=data,
            columns=ListColumns(path_column, label_column, split_column, root),
            split=split,
            subset=subset,
            pairs=pairs,
            ensemble=ensemble,
            threshold=threshold,
            inference=InferenceOptions(
                max_pixels=max_pixels or MAX_PIXELS,
                exact_decode=exact_decode,
                tta=tta,
                engine=EngineOptions(engine, device, precision),
                batch_size=batch_size,
                workers=workers,
            ),
        )
        references = [
            options.reference(name, console, weights=weights, labels=labels, img_size=img_size)
            for name in names or (None,)
        ]
        folders = [
            prepare(reference, console, is_offline=offline, needs_classes=True) for reference in references
        ]
        question = asked(settings, folders)
        if output and data.is_dir() and output.resolve().is_relative_to(data.resolve()):
            raise OutputError(f"{output} would lie among the data", "write it somewhere else")
        found = ask(question, console, image_bars(console))
        both = compared(*found) if len(found) > 1 else None
        write_data(_text(found, both, format_))
        if output:
            outputs.write(output, _text(found, both, EvaluationFormat.JSON), question, found[0], both)
            console.notice(f"{output / 'report.html'} shows it")
    if found[0].unreadable:
        raise typer.Exit(options.UNREADABLE_INPUTS)


def _text(found: "list[Evaluation]", compared: "Comparison | None", format_: EvaluationFormat) -> str:
    """One evaluation, or two with what is between them."""
    from cnncli.render import evaluated

    if format_ is EvaluationFormat.JSON:
        return evaluated.compared_json(compared) if compared else evaluated.evaluated_json(found[0])
    if format_ is EvaluationFormat.CSV:
        from cnncli.evaluation import tables

        stream = io.StringIO()
        (tables.changes(compared) if compared else tables.classes(found[0])).write(stream)
        return stream.getvalue()
    width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None
    return evaluated.compared_text(compared, width) if compared else evaluated.evaluated_text(found[0], width)
