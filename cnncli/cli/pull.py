"""`cnncli pull`: download and prepare networks ahead, for machines and moments without a network."""

from typing import Annotated

import typer

from cnncli.cli import options
from cnncli.cli.console import Console, error, quiet_libraries, write_data
from cnncli.errors import CnncliError


def pull(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...", help="Names of timm or torchvision, or hf-hub:org/name.", show_default=False
        ),
    ],
    img_size: options.ImageSize = None,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
) -> None:
    """Download networks and prepare them, so that later they answer at once and offline.

    Prints each network's name and model folder, tab-separated; the folder can be copied to another machine
    and used there by its path.

    \b
    Examples:
      cnncli pull resnet50 torchvision/squeezenet1_1
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    size = options.image_size(img_size)
    with quiet_libraries():
        from cnncli.networks.reference import Reference
        from cnncli.prepare import prepare

        code = 0
        for model in models:
            try:
                folder = prepare(Reference(model, image_size=size), console, is_offline=offline)
                write_data(f"{model}\t{folder.path}\n")
            except CnncliError as problem:  # the others may still be had
                error(problem)
                code = max(code, problem.exit_code)
    if code:
        raise typer.Exit(code)
