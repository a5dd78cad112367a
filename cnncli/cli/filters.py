"""`cnncli filters`: the kernels of a layer."""

from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli import looking, options, pictures
from cnncli.cli.console import Console, quiet_libraries
from cnncli.records.defaults import DEFAULT, or_default


def filters(
    model: Annotated[
        str | None,
        typer.Argument(
            envvar="CNNCLI_MODEL",
            metavar="[MODEL]",
            help=f"As for predict: a name, a model folder, a blueprint.  [default: {DEFAULT}]",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer", metavar="NAME", help="A convolution, by its name in a summary.  [default: the first]"
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", metavar="INT", min=1, max=512, help="Filters to draw.")] = 64,
    random: Annotated[
        bool, typer.Option("--random", help="Beside them those of the same network before any training.")
    ] = False,
    weights: options.Weights = None,
    no_pretrained: options.NoPretrained = False,
    img_size: options.ImageSize = None,
    output: pictures.Output = None,
    show: pictures.Show = False,
    rough: pictures.Rough = False,
    overwrite: options.Overwrite = False,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw what a layer looks for: its kernels in a grid.

    Kernels that see red, green and blue are drawn in colours, where grey is zero. Others are drawn channel by channel, with
    one colour below zero and another above.

    \b
    Examples:
      cnncli filters
      cnncli filters torchvision/alexnet --random -o alexnet.png
      cnncli filters resnet18 --layer layer1.0.conv1 --top 8
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    place = pictures.Destination.checked(
        output,
        pictures.file_name(Path(or_default(model)).name, layer or "", "filters"),
        overwrite=overwrite,
        show=show,
        rough=rough,
    )
    with quiet_libraries():
        network = looking.opened(
            model, weights, None, img_size, console, pretrained=not no_pretrained, offline=offline
        )
        from cnncli.inspection.filters import filters as drawn

        place.write(drawn(network, layer, top, beside_random=random), console)
