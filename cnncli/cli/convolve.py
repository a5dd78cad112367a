"""`cnncli convolve`: an image, or the numbers of a matrix, under a kernel and under pooling."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from cnncli.cli import looking, options, pictures
from cnncli.cli.console import Console, quiet_libraries, write_data
from cnncli.errors import UsageError

if TYPE_CHECKING:
    from cnncli.inspection.convolution import Layer
    from cnncli.inspection.kernels import Numbers

_MATRICES = {".csv", ".tsv", ".txt"}
_STEPS_SHOWN = 16
"""Places whose arithmetic `--steps all` prints."""


_NEGATIVE = re.compile(r"-\.?\d[\d\s;,./+eE-]*")


class _TakesNumbers(TyperCommand):
    """A matrix may begin with a minus, and is no option then."""

    def parse_args(self, context: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as in typer
        """A blank before it changes nothing of the numbers."""
        return super().parse_args(
            context, [f" {word}" if _NEGATIVE.fullmatch(word) else word for word in args]
        )


convolve = typer.Typer(
    name="convolve", add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)


@convolve.command("convolve", cls=_TakesNumbers)
def laid(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE|MATRIX",
            help="An image, - for one on standard input; or numbers: a .csv or .txt file, or rows in quotes, '1 9 6 4; 5 4 7 8'.",
            show_default=False,
        ),
    ],
    kernel: Annotated[
        str | None,
        typer.Option(
            "--kernel",
            metavar="NAME|ROWS|FILE",
            help="high-pass, sobel-x, sobel-y, laplacian, sharpen, box-blur, gaussian, emboss, edge-right, edge-left, "
            "edge-down, edge-up; or its rows, '0 -1 0; -1 4 -1; 0 -1 0'; or a file with them.",
        ),
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool",
            metavar="max|avg|min:N[/S]",
            help="Then keep the largest, mean or smallest value of each window of N x N, S apart (N, if left out).",
        ),
    ] = None,
    stride: Annotated[
        int, typer.Option("--stride", metavar="INT", min=1, help="Pixels from one window to the next.")
    ] = 1,
    padding: Annotated[
        str,
        typer.Option(
            "--padding",
            metavar="valid|same|N",
            help="Zeros around: none; as many as keep the size; or N on each side.",
        ),
    ] = "valid",
    dilation: Annotated[
        int, typer.Option("--dilation", metavar="INT", min=1, help="Pixels between the kernel's weights.")
    ] = 1,
    flip: Annotated[
        bool,
        typer.Option(
            "--flip", help="Flip the kernel first: a convolution as in mathematics, and not as in networks."
        ),
    ] = False,
    steps: Annotated[
        list[str] | None,
        typer.Option(
            "--steps",
            metavar="ROW,COLUMN",
            help=f"Print how that value of the output comes about (of the pooling, if there is one); may be given several "
            f"times; `all` prints the first {_STEPS_SHOWN}. They count from 0.",
        ),
    ] = None,
    output: pictures.Output = None,
    show: pictures.Show = False,
    rough: pictures.Rough = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Lay a kernel on an image or a matrix, and pool.

    Of an image, a picture is drawn: before and after. A kernel whose weights sum up to zero finds differences: the image is
    made grey first, and below and above zero have colours of their own. Any other kernel acts on red, green and blue. Of a
    matrix the resulting numbers are printed, exactly.

    \b
    Examples:
      cnncli convolve photo.jpg --kernel sobel-x
      cnncli convolve photo.jpg --kernel gaussian --stride 2 -o blurred.png
      cnncli convolve photo.jpg --kernel high-pass --pool max:2
      cnncli convolve '1 9 6 4; 5 4 7 8; 5 1 2 9' --pool max:2 --steps 0,1
      cnncli convolve numbers.csv --kernel '0 -1 0; -1 4 -1; 0 -1 0' --steps all
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    if kernel is None and pool is None:
        raise UsageError("neither --kernel nor --pool is given", "try --kernel high-pass, or --pool max:2")
    given = {
        "--stride": stride != 1,
        "--padding": padding != "valid",
        "--dilation": dilation != 1,
        "--flip": flip,
    }
    if kernel is None and (idle := [name for name, is_given in given.items() if is_given]):
        raise UsageError(
            f"{', '.join(idle)}: no effect without --kernel", "the stride of a pooling is S in max:N/S"
        )
    places = _places([word.strip() for word in steps or ()])
    with quiet_libraries():
        layer = _layer(kernel, pool, stride, padding, dilation, flip=flip)
        numbers = _numbers(source)
        if numbers is None:
            default = pictures.file_name(pictures.stem(source), *filter(None, (kernel, pool)))
            place = pictures.Destination.checked(output, default, overwrite=overwrite, show=show, rough=rough)
            _draw(source, layer, places, place, console)
            return
        if idle := [
            name
            for name, is_given in {"--output": output, "--show": show, "--ascii": rough}.items()
            if is_given
        ]:
            raise UsageError(f"{', '.join(idle)}: no picture is drawn of a matrix", "its numbers are printed")
        from cnncli.inspection.kernels import spelled

        ((_, result),) = layer.stages(numbers)[-1:]
        rows = [" ".join(map(spelled, row)) for row in result.tolist()]
        write_data("\n".join([*_arithmetic(layer, numbers, places), *rows]) + "\n")


def _layer(
    kernel: str | None, pool: str | None, stride: int, padding: str, dilation: int, *, flip: bool
) -> "Layer":
    from cnncli.inspection import convolution, kernels

    found = kernels.kernel(kernel) if kernel is not None else None
    if found is None:
        step = convolution.Step()
    else:
        found = found.flipped if flip else found
        height, width = found.weights.shape
        step = convolution.Step(
            stride, convolution.padding(padding.strip(), (height, width), dilation), dilation
        )
    return convolution.Layer(found, step, convolution.pooling(pool) if pool is not None else None)


def _numbers(source: str) -> "Numbers | None":
    """A matrix, if that is what is meant."""
    from cnncli.inspection.kernels import matrix, read_matrix

    path = Path(source)
    if path.suffix.lower() in _MATRICES:
        return read_matrix(path)
    is_file = os.path.exists(source)  # noqa: PTH110 - says no where a name is too long, too
    is_text = not is_file and re.fullmatch(r"[\s;,./+-]*\d[\d\s;,./+eE-]*", source)
    return matrix(source, "the matrix") if is_text else None


def _draw(
    source: str, layer: "Layer", places: "Places", destination: pictures.Destination, console: Console
) -> None:
    from cnncli.inspection import convolving

    planes = convolving.planes(looking.image(source), layer)
    plate = convolving.plate(Path(source).name, planes, layer)
    for name, plane in planes.items() if places else ():
        write_data("".join(f"{name} {line}\n".lstrip() for line in _arithmetic(layer, plane, places)))
    destination.write(plate, console)


Places = list[tuple[int, int] | None]
"""(row, column); None for all."""


def _places(words: Sequence[str]) -> Places:
    """`0,1` as (0, 1).

    Raises:
        UsageError: it is no place.
    """
    found: Places = []
    for word in words:
        match = re.fullmatch(r"(\d{1,9}),(\d{1,9})", word)
        if not match and word != "all":
            raise UsageError(f"--steps {word!r} is no place", "write ROW,COLUMN, as 0,1; or all")
        found.append((int(match[1]), int(match[2])) if match else None)
    return found


def _arithmetic(layer: "Layer", plane: "Numbers", places: Places) -> list[str]:
    """A line for each place that was asked for."""
    if not places:
        return []
    rows, columns = layer.stages(plane)[-1][1].shape
    asked: list[tuple[int, int]] = []
    for place in places:
        asked += (
            [place]
            if place
            else [divmod(number, columns) for number in range(min(rows * columns, _STEPS_SHOWN))]
        )
    lines = layer.arithmetic(plane, asked)
    return [f"{row},{column}: {line}" for (row, column), line in zip(asked, lines, strict=True)]
