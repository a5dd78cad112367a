"""`cnncli join`: put the parts of an output together."""

from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.console import Console, write_data
from cnncli.errors import UsageError
from cnncli.text import counted


def join(
    parts: Annotated[
        str,
        typer.Argument(metavar="DIR|URL", help="Folder or object store with the parts that --parts wrote."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File to write, in the format of the parts."),
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Print how many parts and images are done, and join nothing.")
    ] = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Put the parts of an output together in one file, in the order of the inputs.

    \b
    Examples:
      cnncli predict photos/ --parts parts/ -f csv
      cnncli join parts/ --status
      cnncli join parts/ -o answers.csv
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    if status == (output is not None):
        raise UsageError("give either -o FILE or --status")
    console = Console(quiet=quiet)
    from cnncli.distribution import join as joining
    from cnncli.distribution.compute import mark_success
    from cnncli.distribution.plan import require_plan
    from cnncli.distribution.store import open_store
    from cnncli.files.output_path import require_free

    store = open_store(parts)
    plan = require_plan(store)
    if output is None:
        write_data(f"{joining.status(plan, store)}\n")
        return
    require_free(output, overwrite=overwrite)
    with console.spinner("joining the parts"):
        joining.join(plan, store, output, overwrite=overwrite)
    mark_success(plan, store)
    console.notice(f"{output}: {counted(sum(part.inputs for part in plan.parts), 'record')}")
