"""`cnncli models`: which networks there are, which are prepared; and how to get rid of one."""

import shutil
import sys
from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.console import Console, error, is_terminal, write_data
from cnncli.cli.groups import LIST, listing_by_default
from cnncli.errors import CnncliError, ModelNotFoundError
from cnncli.records.listing import ListFormat, SortOrder

models = listing_by_default("models")


@models.command(LIST)
def list_models(
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="[PATTERN]",
            help="Part of a name, or a whole name with * ? [...] in it (in quotes, for the shell).",
            show_default=False,
        ),
    ] = "",
    prepared: Annotated[
        bool, typer.Option("--prepared", help="Only those that are prepared on this machine.")
    ] = False,
    sort: Annotated[
        SortOrder, typer.Option("--sort", help="Smallest first; top1 and disk largest first.")
    ] = SortOrder.NAME,
    format_: Annotated[
        ListFormat, typer.Option("--format", "-f", help="How to write the list.")
    ] = ListFormat.TABLE,
    quiet: options.Quiet = False,
) -> None:
    """List networks: source, classes, parameters, multiply-adds, input size, ImageNet top-1, size on disk.

    A name without its tag, as in resnet50, takes the library's own choice among its weights. Top-1 is
    torchvision's figure for its weights, in percent; timm does not publish any with its names. The size on
    disk is that of prepared networks; "in package" means installed with a Python package: no download needed.
    A prepared network's name works with -m. `cnncli models rm NAME...` deletes prepared networks.

    \b
    Examples:
      cnncli models 'resnet*'
      cnncli models mobilenet --sort params
      cnncli models --prepared
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    from cnncli.networks.cache import home
    from cnncli.networks.listing import cache_size, listing
    from cnncli.render.network_list import network_list
    from cnncli.text import size

    console = Console(quiet=quiet)
    try:
        found = listing(pattern, sort, console, only_prepared=prepared)
    except ModelNotFoundError as problem:
        if format_ is ListFormat.TABLE:
            raise
        console.notice(problem.message)  # a program takes an empty list as well as any other
        found = ()
    width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None
    write_data(network_list(found, format_, width))
    prepared_here = sum(item.prepared is not None for item in found)
    console.notice(
        f"{len(found):,} found, {prepared_here:,} of them prepared; the cache {home()} holds {size(cache_size())}"
    )


@models.command("rm")
def remove_models(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="As `cnncli models --prepared` lists them.", show_default=False
        ),
    ],
    quiet: options.Quiet = False,
) -> None:
    """Delete prepared networks. What was downloaded stays in the caches of its libraries."""
    from cnncli.networks.listing import remove
    from cnncli.text import size

    console = Console(quiet=quiet)
    failures = 0
    for name in names:
        try:
            gone = remove(name)
            console.notice(f"deleted {gone.folder} ({size(gone.bytes)})")
        except CnncliError as problem:  # the others may still be deleted
            error(problem)
            failures += 1
    if failures:
        raise typer.Exit(1)
