"""`cnncli receptive`: where on an image a unit looks."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import looking, options, pictures
from cnncli.cli.console import Console, quiet_libraries, write_data
from cnncli.errors import UsageError
from cnncli.records.defaults import or_default

if TYPE_CHECKING:
    from cnncli.inspection.receptive import Field


def receptive(
    image: looking.Image,
    model: options.Model = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer", metavar="NAME", help="A layer by its name in a summary.  [default: the first]"
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            "--unit", metavar="ROW,COLUMN", help="A place on its maps, from 0.  [default: the middle]"
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
    """Draw where on an image a unit looks: its receptive field, and the pixels in it that really count.

    The theoretical field follows from kernels and strides alone. How much a pixel counts is the gradient of the unit with
    respect to it.

    \b
    Examples:
      cnncli receptive photo.jpg
      cnncli receptive photo.jpg -m resnet18 --layer layer2 --unit 10,3
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    at = _unit(unit) if unit is not None else None
    place = pictures.Destination.checked(
        output,
        pictures.file_name(pictures.stem(image), Path(or_default(model)).name, layer or "", "receptive"),
        overwrite=overwrite,
        show=show,
        rough=rough,
    )
    with quiet_libraries():
        network = looking.opened(
            model, weights, None, img_size, console, pretrained=not no_pretrained, offline=offline
        )
        from cnncli.inspection import receptive as fields
        from cnncli.inspection.network import seen

        looked_at = seen(looking.image(image), network.card)
        found = fields.field(network, looked_at, layer, at)
        write_data(_told(found))
        place.write(fields.plate(network, looked_at, found), console)


def _unit(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5}),(\d{1,5})", text)
    if not match:
        raise UsageError(f"--unit {text!r} is no place", "write ROW,COLUMN, as 3,3")
    return int(match[1]), int(match[2])


def _told(found: "Field") -> str:
    """The two fields in words."""
    row, column = found.unit
    rows, columns = found.of
    lines = [f"{found.layer}, unit {row},{column} of {rows} x {columns}"]
    boxes = (
        (
            "sees",
            found.theoretical,
            "all of the image" if found.is_followed else "windows that are not followed",
        ),
        ("95 % of it", found.effective, "nothing: it is silent"),
    )
    for name, box, otherwise in boxes:
        if box is None:
            lines.append(f"  {name:<11}{otherwise}")
            continue
        top, left, bottom, right = box
        lines.append(
            f"  {name:<11}{bottom - top:g} x {right - left:g} pixels: rows {top:g} to {bottom - 1:g}, "
            f"columns {left:g} to {right - 1:g}"
        )
    return "\n".join(lines) + "\n"
