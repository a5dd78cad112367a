"""`cnncli maps`: what the layers of a network make of an image."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import looking, options, pictures
from cnncli.cli.console import Console, quiet_libraries, write_data
from cnncli.errors import UsageError
from cnncli.records.defaults import or_default

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnncli.records.anatomy import Shift

_ALL = "all"
_USUAL = 63
"""Maps that make eight full rows, the image among them."""


def maps(
    image: looking.Image,
    model: options.Model = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            metavar="NAME|all",
            help="A layer by its name in a summary; `all` draws the strongest map of each that convolves or pools.  "
            "[default: the first]",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="INT",
            min=1,
            max=512,
            help="Maps of a layer to draw, the strongest first.  [default: 63]",
        ),
    ] = None,
    shift: Annotated[
        str | None,
        typer.Option(
            "--shift",
            metavar="DX,DY",
            help="Move the image by so many pixels to the right and downwards, and tell layer by layer whether the maps "
            "move with it.",
        ),
    ] = None,
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
    """Draw what the layers of a network make of an image: its feature maps.

    \b
    Examples:
      cnncli maps photo.jpg
      cnncli maps photo.jpg --layer all
      cnncli maps photo.jpg -m resnet18 --layer layer1.0.conv1 --top 15
      cnncli maps photo.jpg --shift 8,0
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    by = _shift(shift) if shift is not None else None
    if top is not None and (by or layer == _ALL):
        raise UsageError("--top is about the maps of one layer", "leave it out, or --shift and --layer all")
    if by and layer == _ALL:
        raise UsageError("--shift draws one layer, and tells of all", "name one, or leave --layer out")
    place = pictures.Destination.checked(
        output,
        pictures.file_name(
            pictures.stem(image),
            Path(or_default(model)).name,
            layer or "",
            "shift" if by else "maps",
        ),
        overwrite=overwrite,
        show=show,
        rough=rough,
    )
    with quiet_libraries():
        network = looking.opened(
            model, weights, None, img_size, console, pretrained=not no_pretrained, offline=offline
        )
        from cnncli.inspection import maps as of_layers
        from cnncli.inspection.network import seen

        looked_at = seen(looking.image(image), network.card)
        if by:
            from cnncli.inspection import shift as shifts

            found = shifts.shifted(network, looked_at, by, *([layer] if layer else []))
            plate = shifts.plate(network, found, layer or next(iter(found.before)))
            write_data(_told(found.shifts))
        elif layer == _ALL:
            plate = of_layers.plate_of_all(network, looked_at)
        else:
            name = layer or of_layers.first_layer(network, looked_at)
            plate = of_layers.plate_of_layer(network, looked_at, name, top or _USUAL)
        place.write(plate, console)


def _shift(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(-?\d{1,5}),(-?\d{1,5})", text)
    if not match:
        raise UsageError(f"--shift {text!r} is no shift", "write pixels to the right and downwards, as 8,0")
    return int(match[1]), int(match[2])


def _told(shifts: "Sequence[Shift]") -> str:
    """A row for each layer: how far its maps should move, and what differs when that is undone."""
    from cnncli.render.columns import Column, rows

    columns = [
        Column("layer", [shift.layer for shift in shifts]),
        Column("maps", [" x ".join(map(str, shift.shape)) for shift in shifts], is_number=True),
        Column("move by", [f"{shift.by[0]:g},{shift.by[1]:g}" for shift in shifts], is_number=True),
        Column(
            "differ",
            ["" if shift.change is None else f"{shift.change:.1%}" for shift in shifts],
            is_number=True,
        ),
        Column(
            "compared", ["all units see the border" if shift.sees_border else "inside" for shift in shifts]
        ),
    ]
    return "\n".join(rows(columns)) + "\n"
