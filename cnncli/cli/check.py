"""`cnncli check`: checks a data set for problems before training."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import options
from cnncli.cli.console import Console, quiet_libraries, terminal_width, write_data
from cnncli.cli.list_options import GroupBy, GroupColumn, with_list_columns
from cnncli.cli.options import ReportFormat
from cnncli.cli.output_guard import require_not_among
from cnncli.cli.progress import image_progress
from cnncli.errors import OutputError, UsageError
from cnncli.files.output_path import is_inside, require_free
from cnncli.records.list_columns import ListColumns

if TYPE_CHECKING:
    from cnncli.records.data import DataSet

PROBLEMS_FOUND = 3
"""Exit code where problems were found."""


@with_list_columns
def check(
    data: options.Data,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="FILE.png", help="Save a PNG with some images of each class."),
    ] = None,
    format_: Annotated[
        ReportFormat,
        typer.Option("--format", "-f", help="Output format; JSON has all findings in full."),
    ] = ReportFormat.TEXT,
    *,
    columns: ListColumns,
    group_column: GroupColumn = None,
    group_by: GroupBy = None,
    max_pixels: options.MaxPixels = None,
    workers: options.Workers = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Check a labelled folder or list for problems before training. Every image is opened.

    Reports unreadable files, missing and small classes, imbalance, identical and nearly identical images within a class,
    across classes and across splits, unusual sizes and colour modes. The exit code is 3 if there are problems.

    \b
    Examples:
      cnncli check photos/
      cnncli check photos/ --sheet photos.png
      cnncli check list.csv --root photos/ -f json
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    columns = replace(columns, group=group_column or "", group_by=group_by or "")
    if sheet and sheet.suffix.lower() != ".png":
        raise UsageError(
            f"--sheet writes a PNG, and {sheet} does not end in .png", "give a name that ends in .png"
        )
    if sheet:
        require_free(sheet, overwrite=overwrite)
    with quiet_libraries(), console.spinner("checking the images"):
        from cnncli.data.health import examine
        from cnncli.data.layout import read
        from cnncli.engines.cores import usable_cores
        from cnncli.records.defaults import MAX_PIXELS
        from cnncli.render.data_health import data_health_json, data_health_text

        limit = max_pixels or MAX_PIXELS
        data_set = read(data, columns)
        if sheet and is_inside(sheet, data):
            raise OutputError(f"{sheet} would be inside the data folder", "write it somewhere else")
        if sheet:
            require_not_among("sheet", sheet, (sample.path for sample in data_set.samples))
        with image_progress(console, lambda: len(data_set.samples), 0, is_hidden=False) as advance:
            health = examine(data_set, max_pixels=limit, workers=workers or usable_cores(), advance=advance)
        if format_ is ReportFormat.JSON:
            write_data(data_health_json(health), is_last=not sheet)
        else:
            write_data(data_health_text(health, terminal_width()), is_last=not sheet)
        if sheet:
            _save_sheet(data_set, sheet, limit, console, overwrite=overwrite)
    if not health.is_healthy:
        raise typer.Exit(PROBLEMS_FOUND)


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
