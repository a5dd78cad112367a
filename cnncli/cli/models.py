"""`cnncli models`: list available networks; delete prepared ones."""

from typing import Annotated

import typer

from cnncli.cli import completion, options
from cnncli.cli.console import Console, error, terminal_width, write_data
from cnncli.cli.groups import LIST, list_group
from cnncli.errors import CnncliError, ModelNotFoundError
from cnncli.records.listing import ListFormat, SortOrder

models = list_group("models", {"remove": "rm", "delete": "rm", "ls": "list", "search": "list"})


@models.command(LIST)
def list_models(
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="[PATTERN]",
            help="Part of a name, or a glob pattern with * ? [...] for the whole name (in quotes, for the shell).",
            show_default=False,
        ),
    ] = "",
    prepared: Annotated[
        bool, typer.Option("--prepared", help="List only networks that are prepared on this machine.")
    ] = False,
    sort: Annotated[
        SortOrder,
        typer.Option("--sort", help="Sort key; ascending, except for top1 and disk, which are descending."),
    ] = SortOrder.NAME,
    format_: Annotated[ListFormat, typer.Option("--format", "-f", help="Output format.")] = ListFormat.TABLE,
    quiet: options.Quiet = False,
) -> None:
    """List networks: source, classes, parameters, multiply-adds, input size, ImageNet top-1 and top-5, size on disk.

    A name without a tag, such as resnet50, selects the library's default weights. Top-1 is the accuracy in percent that
    torchvision publishes for its weights; timm does not publish it. The size on disk is that of prepared networks; "in
    package" means that an installed Python package contains the weights, so no download is needed. The names of prepared
    networks work with -m. `cnncli models rm NAME...` deletes prepared networks.

    \b
    Examples:
      cnncli models 'resnet*'
      cnncli models mobilenet --sort params
      cnncli models --prepared
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    from cnncli.networks.cache import home
    from cnncli.networks.listing import cache_size, listing
    from cnncli.render.network_list import network_list
    from cnncli.text import counted, size

    console = Console(quiet=quiet)
    try:
        networks = listing(pattern, sort, console, only_prepared=prepared)
    except ModelNotFoundError as problem:
        if format_ is ListFormat.TABLE:
            raise
        console.notice(problem.message)  # programs get an empty list
        networks = ()
    width = terminal_width()
    write_data(network_list(networks, format_, width))
    count = sum(item.prepared is not None for item in networks)
    console.notice(
        f"{counted(len(networks), 'network')}, {count:,} prepared; cache {home()}: {size(cache_size())}"
    )


@models.command("rm")
def remove_models(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            autocompletion=completion.complete_prepared,
            help="Names of prepared networks, as `cnncli models --prepared` lists them.",
            show_default=False,
        ),
    ],
    quiet: options.Quiet = False,
) -> None:
    """Delete prepared networks. Downloaded weights remain in the caches of huggingface_hub and torch."""
    from cnncli.networks.listing import remove
    from cnncli.text import size

    console = Console(quiet=quiet)
    failures = 0
    for name in names:
        try:
            removed = remove(name)
            console.notice(f"deleted {removed.folder} ({size(removed.bytes)})")
        except CnncliError as problem:  # continue with the others
            error(problem)
            failures += 1
    if failures:
        raise typer.Exit(1)
