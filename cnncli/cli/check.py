"""`cnncli check`: checks a data set for problems before training."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import options
from cnncli.cli.console import Console, quiet_libraries, terminal_width, write_data
from cnncli.cli.list_options import GroupedListOptions
from cnncli.cli.option_groups import takes_groups
from cnncli.cli.options import ReportFormat
from cnncli.cli.output_guard import require_not_among
from cnncli.cli.progress import image_bars, image_progress
from cnncli.errors import OutputError, UsageError
from cnncli.files.output_path import is_inside, require_free
from cnncli.records.engines import InferenceOptions
from cnncli.text import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnncli.networks.model_folder import ModelFolder
    from cnncli.records.curation import LabelErrors
    from cnncli.records.data import DataHealth, DataSet

PROBLEMS_FOUND = 3
"""Exit code where problems were found."""


@takes_groups
def check(
    context: typer.Context,
    data: options.Data,
    label_errors: Annotated[
        bool,
        typer.Option(
            "--label-errors",
            help="Also look for labels that are probably wrong, by classifiers on the features of --model.",
        ),
    ] = False,
    near_duplicates: Annotated[
        bool,
        typer.Option(
            "--near-duplicates",
            help="Look for near duplicates thoroughly: pairs that the features of --model propose, and whose pixels match after "
            "scaling, cropping, mirroring, recolouring or compression.",
        ),
    ] = False,
    model: options.Model = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.csv",
            help="With --label-errors: save all suggestions, to be reviewed and given to `cnncli relabel`.",
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            metavar="FILE.png",
            help="Save a PNG with some images of each class; with --label-errors, with those whose labels are suspicious.",
        ),
    ] = None,
    format_: Annotated[
        ReportFormat,
        typer.Option("--format", "-f", help="Output format; JSON has all findings in full."),
    ] = ReportFormat.TEXT,
    *,
    lists: GroupedListOptions,
    max_pixels: options.MaxPixels = None,
    workers: options.Workers = None,
    offline: options.Offline = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Check a labelled folder or list for problems before training. Every image is opened.

    Reports unreadable files, missing and small classes, imbalance, identical and nearly identical images within a class,
    across classes and across splits, unusual sizes and colour modes. The exit code is 3 if there are problems; labels that
    are probably wrong are only suggestions.

    \b
    Examples:
      cnncli check photos/
      cnncli check photos/ --sheet photos.png
      cnncli check list.csv --root photos/ -f json
      cnncli check photos/ --near-duplicates
      cnncli check photos/ --label-errors -o issues.csv --sheet issues.png
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    columns = lists.columns()
    has_model = options.is_typed(context, "model") and bool(model)
    _require_effect(
        output, label_errors=label_errors, near_duplicates=near_duplicates, model=has_model, offline=offline
    )
    _require_writable(sheet, output, data, overwrite=overwrite)
    with quiet_libraries(), console.spinner("checking the images"):
        from cnncli.data.health import examine
        from cnncli.data.layout import read
        from cnncli.engines.cores import usable_cores
        from cnncli.records.defaults import MAX_PIXELS
        from cnncli.render.data_health import data_health_json, data_health_text

        limit = max_pixels or MAX_PIXELS
        data_set = read(data, columns)
        if sheet:
            require_not_among("sheet", sheet, (sample.path for sample in data_set.samples))
        folder = None
        if label_errors or near_duplicates:
            folder = _prepare(data_set, model, console, is_offline=offline, label_errors=label_errors)
        with image_progress(console, lambda: len(data_set.samples), 0, is_hidden=False) as advance:
            health = examine(
                data_set,
                max_pixels=limit,
                workers=workers or usable_cores(),
                compares_pixels=not near_duplicates,
                advance=advance,
            )
        if folder and near_duplicates:
            health = _add_near_duplicates(health, folder, limit, workers, console)
        errors = None
        if folder and label_errors:
            errors = _label_errors(data_set, folder, limit, workers, console)
        is_last = not sheet and not output
        if format_ is ReportFormat.JSON:
            write_data(data_health_json(health, errors), is_last=is_last)
        else:
            write_data(data_health_text(health, terminal_width(), errors), is_last=is_last)
        if errors and output:
            _save_issues(errors, output, [data, *lists.arguments()], console, overwrite=overwrite)
        if errors and sheet:
            _save_label_sheet(errors, sheet, limit, console, overwrite=overwrite)
        elif sheet:
            _save_sheet(data_set, sheet, limit, console, overwrite=overwrite)
    if not health.is_healthy:
        raise typer.Exit(PROBLEMS_FOUND)


def _require_effect(
    output: Path | None, *, label_errors: bool, near_duplicates: bool, model: bool, offline: bool
) -> None:
    """Raise UsageError for options that have no effect without `--label-errors`, or without any use of a model."""
    if output and not label_errors:
        raise UsageError("--output has no effect without --label-errors", "add it, or leave --output out")
    given = {"--model": model, "--offline": offline}
    unused = [name for name, value in given.items() if value]
    if unused and not (label_errors or near_duplicates):
        raise UsageError(
            f"{', '.join(unused)}: no effect without --label-errors or --near-duplicates",
            "add one of these, or leave them out",
        )


def _require_writable(sheet: Path | None, output: Path | None, data: str, *, overwrite: bool) -> None:
    """Check that the files can be written.

    Raises:
        UsageError: a name has another ending than its content.
        OutputError: a file exists, its folder does not, or the picture would be inside the data.
    """
    if sheet and sheet.suffix.lower() != ".png":
        raise UsageError(
            f"--sheet writes a PNG, and {sheet} does not end in .png", "give a name that ends in .png"
        )
    if output and output.suffix.lower() != ".csv":
        raise UsageError(
            f"--output writes a CSV, and {output} does not end in .csv", "give a name that ends in .csv"
        )
    for file in filter(None, (sheet, output)):
        require_free(file, overwrite=overwrite)
    if sheet and is_inside(sheet, data):
        raise OutputError(f"{sheet} would be inside the data folder", "write it somewhere else")


def _prepare(
    data: "DataSet", model: str | None, console: Console, *, is_offline: bool, label_errors: bool
) -> "ModelFolder":
    """The network whose features are used, after checking that label errors can be looked for if they are to be."""
    from cnncli.curation.label_errors import require_cleanlab, require_comparable
    from cnncli.prepare import prepare

    if label_errors:
        require_cleanlab()
        require_comparable(data)
    return prepare(options.reference(model, console), console, is_offline=is_offline)


def _add_near_duplicates(
    health: "DataHealth", folder: "ModelFolder", max_pixels: int, workers: int | None, console: Console
) -> "DataHealth":
    from cnncli.retrieval.data_set import add_near_duplicates

    inference = InferenceOptions(max_pixels=max_pixels, workers=workers)
    return add_near_duplicates(health, folder, inference, console, image_bars(console))


def _label_errors(
    data: "DataSet", folder: "ModelFolder", max_pixels: int, workers: int | None, console: Console
) -> "LabelErrors":
    from cnncli.curation.label_errors import find_label_errors

    inference = InferenceOptions(max_pixels=max_pixels, workers=workers)
    return find_label_errors(data, folder, inference, console, image_bars(console))


def _save_issues(
    errors: "LabelErrors", file: Path, data: "Sequence[str]", console: Console, *, overwrite: bool
) -> None:
    """Save the suggestions, and say what to do with them; `data` are the arguments that say which data they are for."""
    from cnncli.curation.issues import issues_table
    from cnncli.curation.relabel import has_changeable_labels
    from cnncli.files.whole import write_whole

    stream = io.StringIO()
    issues_table(errors, file.name).write(stream)
    write_whole(file, stream.getvalue().encode(), overwrite=overwrite)
    words = " ".join(map(quote, [file, *data]))
    advice = f"; delete the rows that you disagree with, then: cnncli relabel {words}"
    console.notice(f"saved {file}{advice if has_changeable_labels(data[0]) else ''}")


def _save_label_sheet(
    errors: "LabelErrors", file: Path, max_pixels: int, console: Console, *, overwrite: bool
) -> None:
    """Save a picture of the most suspicious images."""
    from cnncli.files.whole import write_whole
    from cnncli.images.decode import thumbnail
    from cnncli.render.label_errors import label_errors_sheet
    from cnncli.render.sheet import LIMIT, THUMBNAIL

    if not errors.suggestions:
        console.notice("no picture: there are no suggestions")
        return
    picture = label_errors_sheet(errors, lambda source: thumbnail(source, THUMBNAIL, max_pixels))
    write_whole(file, picture, overwrite=overwrite)
    count = len(errors.suggestions)
    console.notice(f"saved {file}" + (f", the first {LIMIT} of {count:,} images" if count > LIMIT else ""))


def _save_sheet(data: "DataSet", file: Path, max_pixels: int, console: Console, *, overwrite: bool) -> None:
    """Save a picture of the first images of the first classes."""
    from cnncli.files.whole import write_whole
    from cnncli.images.decode import thumbnail
    from cnncli.render.contact_sheet import COLUMNS, ROWS, THUMBNAIL, SheetRow, contact_sheet_png

    rows = []
    for label, name in enumerate(data.class_names[:ROWS]):
        samples = [sample for sample in data.samples if label in data.classes_of(sample)]
        thumbnails = [thumbnail(sample.source, THUMBNAIL, max_pixels) for sample in samples[:COLUMNS]]
        rows.append(SheetRow(f"{name} ({len(samples):,})", thumbnails))
    write_whole(file, contact_sheet_png(rows), overwrite=overwrite)
    remark = (
        f", the first {ROWS} of {len(data.class_names):,} classes" if len(data.class_names) > ROWS else ""
    )
    console.notice(f"saved {file}{remark}")
