"""Moving files back that a command has moved, from its log."""

from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli.console import Console
from cnncli.cli.progress import image_progress
from cnncli.text import counted

Undo = Annotated[
    Path | None,
    typer.Option(
        "--undo",
        metavar="LOG",
        help="Move the images in this log back to where they were, then exit.",
        show_default=False,
    ),
]


def undo_log(log: Path, console: Console) -> bool:
    """Move the files in a log back and report those that are left alone; return whether there are none.

    Raises:
        InputError: the log cannot be read, or belongs to another folder.
    """
    from cnncli.files.moves import read_moves, undo_moves

    with image_progress(console, lambda: sum(1 for _ in read_moves(log)), 0, is_hidden=False) as advance:
        summary = undo_moves(log, advance)
    for move, reason in summary.kept:
        console.warning(f"{move.source}: {reason}")
    total = summary.restored + len(summary.kept)
    console.notice(f"{summary.restored:,} of {counted(total, 'image')} are where they were")
    return not summary.kept
