"""`cnncli filters`: the filters of a layer."""

from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli import completion, inspection, options, pictures
from cnncli.cli.console import Console, quiet_libraries
from cnncli.cli.option_groups import NetworkOptions, takes_groups
from cnncli.records.defaults import DEFAULT, or_default


@takes_groups
def filters(
    model: Annotated[
        str | None,
        typer.Argument(
            envvar="CNNCLI_MODEL",
            metavar="[MODEL]",
            autocompletion=completion.complete_model,
            help=f"Model, as for predict: a name, a model folder or a blueprint.  [default: {DEFAULT}]",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            metavar="NAME",
            autocompletion=completion.complete_kernel_layer,
            help="Convolution or fully connected layer, by its name in `cnncli summary`.  [default: the first]",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="INT",
            min=1,
            max=1024,
            help="Number of filters to draw.  [default: 64, or 1024 rows of a matrix]",
        ),
    ] = None,
    random: Annotated[
        bool, typer.Option("--random", help="Also draw the filters of the untrained network next to them.")
    ] = False,
    *,
    network: NetworkOptions,
    picture: pictures.PictureOptions,
    quiet: options.Quiet = False,
) -> None:
    """Draw the filters of a convolutional layer in a grid.

    Filters on an RGB image are drawn in colours, with grey for zero. All others are drawn channel by channel, with one
    colour for negative weights and another for positive ones. Filters of 1x1, and those of a fully connected layer, are
    drawn as a matrix.

    \b
    Examples:
      cnncli filters
      cnncli filters torchvision/alexnet --random -o alexnet.png
      cnncli filters resnet18 --layer layer1.0.conv1 --top 8
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    destination = picture.destination(Path(or_default(model)).name, layer or "", "filters")
    with quiet_libraries(), console.spinner("drawing the filters"):
        loaded = inspection.load_model(model, network, console)
        from cnncli.inspection.network.filters import figure

        destination.write(figure(loaded, layer, top, beside_random=random), console)
