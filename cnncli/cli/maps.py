"""`cnncli maps`: feature maps of an image."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import completion, inspection, options, pictures
from cnncli.cli.console import Console, quiet_libraries, write_data
from cnncli.cli.option_groups import NetworkOptions, takes_groups
from cnncli.errors import UsageError
from cnncli.records.choices import Palette
from cnncli.records.defaults import or_default
from cnncli.text import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnncli.records.anatomy import LayerShift

_ALL = "all"


@takes_groups
def maps(
    image: inspection.Image,
    model: options.Model = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            metavar="NAME|all",
            autocompletion=completion.complete_layer,
            help="Layer, by its name in `cnncli summary`; a layer of single numbers, such as global pooling, is drawn as "
            "bars; all draws the strongest map of every convolution and pooling.  "
            "[default: the first with feature maps]",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="INT",
            min=1,
            max=512,
            help="Number of maps of the layer to draw, strongest first.  [default: 63, or 30 for a layer of single "
            "numbers]",
        ),
    ] = None,
    shift: Annotated[
        str | None,
        typer.Option(
            "--shift",
            metavar="DX,DY",
            help="Shift the image by DX pixels to the right and DY down, and print for each layer whether its maps shift "
            "with it.",
        ),
    ] = None,
    palette: Annotated[
        Palette, typer.Option("--palette", help="Colours of the maps; grey is from black to white.")
    ] = Palette.COLOUR,
    *,
    network: NetworkOptions,
    picture: pictures.PictureOptions,
    quiet: options.Quiet = False,
) -> None:
    """Draw the feature maps of an image: the outputs of a network's layers.

    \b
    Examples:
      cnncli maps photo.jpg
      cnncli maps photo.jpg -m resnet18 --layer layer1.0.conv1 --top 15
      cnncli maps photo.jpg --layer all --palette grey
      cnncli maps photo.jpg --shift 8,0
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    offset = _parse_shift(shift) if shift is not None else None
    if top is not None and (offset or layer == _ALL):
        raise UsageError(
            "--top applies to the maps of a single layer", "omit it, or omit --shift and --layer all"
        )
    if offset and layer == _ALL:
        raise UsageError(
            "--shift draws a single layer, and prints all of them", "name a layer, or omit --layer"
        )
    destination = picture.destination(
        pictures.stem(image), Path(or_default(model)).name, layer or "", "shift" if offset else "maps"
    )
    source = inspection.read_source(image)
    with quiet_libraries(), console.spinner("drawing the feature maps"):
        loaded = inspection.load_model(model, network, console)
        from cnncli.inspection.network import maps as feature_maps
        from cnncli.inspection.network.loading import load_image

        input_image = load_image(source, loaded.card)
        if offset:
            from cnncli.inspection.network import shift as equivariance

            comparison = equivariance.compare_shift(loaded, input_image, offset, *([layer] if layer else []))
            figure = equivariance.figure(loaded, comparison, layer or next(iter(comparison.before)))
            write_data(_shift_table(comparison.layers), is_last=False)
        elif layer == _ALL:
            figure = feature_maps.all_layers_figure(loaded, input_image)
        else:
            name = layer or feature_maps.first_map_layer(loaded, input_image)
            figure = feature_maps.layer_figure(loaded, input_image, name, top)
        destination.write(figure.in_grey() if palette is Palette.GREY else figure, console)


def _parse_shift(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(-?\d{1,5}),(-?\d{1,5})", text)
    if not match:
        raise UsageError(
            f"--shift {text!r} is not of the form DX,DY", "write pixels to the right and down, e.g. 8,0"
        )
    return int(match[1]), int(match[2])


def _shift_table(layers: "Sequence[LayerShift]") -> str:
    """A row for each layer: the expected shift of its maps, and what differs from it."""
    from cnncli.render.columns import Column, rows
    from cnncli.text import shape_text

    columns = [
        Column("layer", [layer.layer for layer in layers]),
        Column("shape", [shape_text(layer.shape) for layer in layers], is_number=True),
        Column(
            "expected shift", ["{:g},{:g}".format(*layer.expected_shift) for layer in layers], is_number=True
        ),
        Column(
            "difference",
            ["" if layer.difference is None else percent(layer.difference) for layer in layers],
            is_number=True,
        ),
        Column(
            "units compared",
            [
                "all (every field reaches the border)" if layer.includes_border else "interior"
                for layer in layers
            ],
        ),
    ]
    return "\n".join(rows(columns)) + "\n"
