"""`cnncli receptive`: the receptive field of a unit."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnncli.cli import completion, inspection, options, pictures
from cnncli.cli.console import Console, quiet_libraries, write_data
from cnncli.cli.option_groups import NetworkOptions, takes_groups
from cnncli.errors import UsageError
from cnncli.records.defaults import or_default

if TYPE_CHECKING:
    from cnncli.inspection.network.receptive import UnitField


@takes_groups
def receptive(
    image: inspection.Image,
    model: options.Model = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            metavar="NAME",
            autocompletion=completion.complete_layer,
            help="Layer, by its name in `cnncli summary`.  [default: the one with the largest field of at "
            "most half the image]",
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            "--unit",
            metavar="ROW,COLUMN",
            help="Position of the unit on the layer's feature maps, counted from 0.  [default: the middle]",
        ),
    ] = None,
    *,
    network: NetworkOptions,
    picture: pictures.PictureOptions,
    quiet: options.Quiet = False,
) -> None:
    """Draw the theoretical and the effective receptive field of a unit.

    The theoretical field follows from kernel sizes and strides alone. The effective field holds 95 % of the absolute
    gradient of the unit with respect to the pixels of this image.

    \b
    Examples:
      cnncli receptive photo.jpg
      cnncli receptive photo.jpg -m resnet18 --layer layer2 --unit 10,3
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    position = _parse_unit(unit) if unit is not None else None
    destination = picture.destination(
        pictures.stem(image), Path(or_default(model)).name, layer or "", "receptive"
    )
    source = inspection.read_source(image)
    with quiet_libraries(), console.spinner("drawing the receptive field"):
        loaded = inspection.load_model(model, network, console)
        from cnncli.inspection.network.loading import load_image
        from cnncli.inspection.network.receptive import figure, unit_field

        input_image = load_image(source, loaded.card)
        field = unit_field(loaded, input_image, layer, position)
        write_data(_text(field), is_last=False)
        destination.write(figure(loaded, input_image, field), console)


def _parse_unit(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5}),(\d{1,5})", text)
    if not match:
        raise UsageError(f"--unit {text!r} is not of the form ROW,COLUMN", "write e.g. 3,3")
    return int(match[1]), int(match[2])


def _text(field: "UnitField") -> str:
    row, column = field.unit
    rows, columns = field.map_size
    lines = [f"{field.layer}, unit {row},{column} of {columns} x {rows}"]
    boxes = (
        (
            "theoretical field",
            field.theoretical,
            "the whole image" if field.is_traced else "not traced: the layer mixes positions within windows",
        ),
        ("effective (95 %)", field.effective, "none: the gradient is zero"),
    )
    for name, box, otherwise in boxes:
        if box is None:
            lines.append(f"  {name:<19}{otherwise}")
            continue
        top, left, bottom, right = box
        lines.append(
            f"  {name:<19}{right - left:g} x {bottom - top:g} pixels: rows {top:g} to {bottom - 1:g}, "
            f"columns {left:g} to {right - 1:g}"
        )
    return "\n".join(lines) + "\n"
