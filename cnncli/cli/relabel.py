"""`cnncli relabel`: apply reviewed labels to a data set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import options
from cnncli.cli.console import Console, quiet_libraries, terminal_width, write_data
from cnncli.cli.list_options import ListOptions
from cnncli.cli.option_groups import takes_groups
from cnncli.cli.options import ReportFormat
from cnncli.cli.undo import Undo, undo_log
from cnncli.errors import UsageError
from cnncli.files.output_path import require_free
from cnncli.records.list_columns import ListColumns
from cnncli.text import counted, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnncli.records.curation import LabelChange
    from cnncli.records.data import DataSet


@takes_groups
def relabel(
    issues: Annotated[
        Path | None,
        typer.Argument(
            metavar="ISSUES",
            parser=options.parse_path,
            help="A file that `cnncli check --label-errors -o` wrote, without the rows that you disagree with.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            parser=options.parse_data,
            help="The labelled folder or list (.csv, .tsv) that it was written for.",
            show_default=False,
        ),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Change the labels; without it, nothing is written.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="LIST",
            help="The list to write; DATA stays as it is.  [default: NAME-relabelled.csv beside it]",
            show_default=False,
        ),
    ] = None,
    undo: Undo = None,
    format_: Annotated[
        ReportFormat, typer.Option("--format", "-f", help="Output format.")
    ] = ReportFormat.TEXT,
    *,
    lists: ListOptions,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Apply reviewed labels to a labelled folder or list.

    In a folder, images move to the folders of their new classes, and a log that is written first can undo that. Of a list, a
    new one is written. Without --apply, only the changes are shown.

    \b
    Examples:
      cnncli check photos/ --label-errors -o issues.csv
      cnncli relabel issues.csv photos/
      cnncli relabel issues.csv photos/ --apply
      cnncli relabel --undo moves.jsonl
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    if undo:
        if issues or data or apply or output:
            raise UsageError("--undo takes nothing else", "cnncli relabel --undo LOG")
        if not undo_log(undo, console):
            raise typer.Exit(options.UNREADABLE_INPUTS)
        return
    if not issues or not data:
        raise UsageError(
            "ISSUES and DATA are missing" if not issues else "DATA is missing",
            "cnncli relabel issues.csv photos/",
        )
    columns = lists.columns()
    with quiet_libraries(), console.spinner("comparing the labels"):
        from cnncli.curation.issues import read_issues
        from cnncli.curation.relabel import is_list, plan_changes, plan_moves
        from cnncli.data.layout import read
        from cnncli.render.label_changes import label_changes_json, label_changes_text

        reviewed = read_issues(issues)
        new_list = _new_list(data, output, columns, overwrite=overwrite) if is_list(data) else None
        if output and not new_list:
            raise UsageError("--output is for lists; in a folder, images are moved", "leave it out")
        data_set = read(data, columns)
        changes = plan_changes(reviewed, issues, data_set, data)
        if not new_list:
            changes = plan_moves(changes, data_set)
        written = None
        if apply and changes:
            written = _apply(changes, data_set, issues, Path(data), new_list, columns, overwrite=overwrite)
        if format_ is ReportFormat.JSON:
            write_data(label_changes_json(changes, written))
        else:
            write_data(label_changes_text(changes, terminal_width()))
    _report(changes, written, console, is_list=new_list is not None)


def _new_list(data: str, output: Path | None, columns: ListColumns, *, overwrite: bool) -> Path:
    """The list to write.

    Raises:
        UsageError: its paths would lead elsewhere, or it is another kind of list.
        OutputError: it exists, or cannot be written.
    """
    file = Path(data)
    new = output or file.with_stem(f"{file.stem}-relabelled")
    if new.suffix.lower() != file.suffix.lower():
        raise UsageError(
            f"--output {new} does not end in {file.suffix}, as {file} does", "choose another name"
        )
    if columns.root is None and new.resolve().parent != file.resolve().parent:
        raise UsageError(
            f"the paths in {new} would be relative to another folder than those in {file}",
            f"write it beside {file.name}, or name the folder of the images with --root",
        )
    require_free(new, overwrite=overwrite)
    return new


def _apply(
    changes: "Sequence[LabelChange]",
    data_set: "DataSet",
    issues: Path,
    data: Path,
    new_list: Path | None,
    columns: ListColumns,
    *,
    overwrite: bool,
) -> Path:
    """Change the labels; return the new list, or the log of the moves."""
    from cnncli.curation.relabel import move_images, write_list

    if new_list:
        write_list(changes, data, columns, new_list, overwrite=overwrite)
        return new_list
    return move_images(changes, data_set, issues.parent)


def _report(
    changes: "Sequence[LabelChange]", written: Path | None, console: Console, *, is_list: bool
) -> None:
    count = counted(len(changes), "label")
    if not changes:
        console.notice("nothing to change")
    elif not written:
        console.notice(f"{count} would change; --apply changes them")
    elif is_list:
        console.notice(f"saved {written}, with {count} changed")
    else:
        console.notice(f"{count} changed; to undo: cnncli relabel --undo {quote(written)}")
