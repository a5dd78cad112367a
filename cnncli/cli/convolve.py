"""`cnncli convolve`: apply a kernel and a pooling to an image or a matrix."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnncli.cli import completion, inspection, options, pictures
from cnncli.cli.console import Console, quiet_libraries, write_data
from cnncli.cli.groups import SectionedCommand
from cnncli.errors import UsageError
from cnncli.records.choices import KERNELS

if TYPE_CHECKING:
    from cnncli.inspection.convolution import ConvPool
    from cnncli.inspection.kernels import Numbers

_MATRIX_SUFFIXES = {".csv", ".tsv", ".txt"}
_MAX_STEPS = 16
"""Output values whose arithmetic `--steps all` prints."""

_NEGATIVE = re.compile(r"-\.?\d[\d\s;,./+eE-]*")


class _NegativeNumbersCommand(SectionedCommand):
    """A command that does not mistake a matrix with a leading minus for an option."""

    def parse_args(self, context: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as in typer
        """Put a space, which is ignored in a matrix, before a leading minus."""
        return super().parse_args(
            context, [f" {word}" if _NEGATIVE.fullmatch(word) else word for word in args]
        )


convolve = typer.Typer(
    name="convolve", add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)


@convolve.command("convolve", cls=_NegativeNumbersCommand)
def apply(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE|MATRIX",
            help="An image, or - for one on standard input; or a matrix: a .csv or .txt file, or its rows in quotes, e.g. "
            "'1 9 6 4; 5 4 7 8'.",
            show_default=False,
        ),
    ],
    kernel: Annotated[
        str | None,
        typer.Option(
            "--kernel",
            metavar="NAME|ROWS|FILE",
            autocompletion=completion.complete_kernel,
            help=f"Kernel: {', '.join(KERNELS)}; its rows, e.g. '0 -1 0; -1 4 -1; 0 -1 0'; or a file with them.",
        ),
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool",
            metavar="max|avg|min:N[/S]",
            help="Pooling after the kernel: maximum, mean or minimum of windows of N x N at stride S (default N).",
        ),
    ] = None,
    stride: Annotated[
        int, typer.Option("--stride", metavar="INT", min=1, help="Stride of the kernel, in pixels.")
    ] = 1,
    padding: Annotated[
        str,
        typer.Option(
            "--padding",
            metavar="valid|same|N",
            help="Zero padding: none (valid), as much as keeps the size at stride 1 (same), or N pixels on each side.",
        ),
    ] = "valid",
    dilation: Annotated[
        int,
        typer.Option(
            "--dilation",
            metavar="INT",
            min=1,
            help="Dilation of the kernel: distance between its weights, in pixels.",
        ),
    ] = 1,
    flip: Annotated[
        bool,
        typer.Option(
            "--flip",
            help="Flip the kernel first, as a mathematical convolution does; networks compute the cross-correlation.",
        ),
    ] = False,
    steps: Annotated[
        list[str] | None,
        typer.Option(
            "--steps",
            metavar="ROW,COLUMN",
            help="Print the arithmetic of the output value at this position, counted from 0 (of the pooling, if there is "
            f"one); repeatable; all prints the first {_MAX_STEPS}.",
        ),
    ] = None,
    output: pictures.Output = None,
    show: pictures.Show = False,
    rough: pictures.Rough = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Apply a kernel and a pooling to an image or a matrix.

    For an image, the picture before and after is saved. A kernel whose weights sum to zero responds to differences: it
    is applied to the grey image, with one colour for negative and another for positive values. Any other kernel is
    applied to red, green and blue. For a matrix, the exact result is printed.

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
    kernel_options = {
        "--stride": stride != 1,
        "--padding": padding != "valid",
        "--dilation": dilation != 1,
        "--flip": flip,
    }
    if kernel is None and (unused := [name for name, is_set in kernel_options.items() if is_set]):
        raise UsageError(
            f"{', '.join(unused)}: no effect without --kernel", "the stride of a pooling is S in max:N/S"
        )
    positions = _parse_positions([word.strip() for word in steps or ()])
    with quiet_libraries():
        layer = _layer(kernel, pool, stride, padding, dilation, flip=flip)
        matrix = _matrix(source)
        if matrix is None:
            default = pictures.file_name(pictures.stem(source), *filter(None, (kernel, pool)))
            destination = pictures.PictureDestination.resolve(
                output, default, overwrite=overwrite, show=show, rough=rough
            )
            _draw(source, layer, positions, destination, console)
            return
        picture_options = {"--output": output, "--show": show, "--ascii": rough}
        if unused := [name for name, value in picture_options.items() if value]:
            raise UsageError(
                f"{', '.join(unused)}: no effect on a matrix, whose result is printed", "omit them"
            )
        from cnncli.inspection.kernels import number_text

        ((_, result),) = layer.stages(matrix)[-1:]
        rows = [" ".join(map(number_text, row)) for row in result.tolist()]
        write_data("\n".join([*_explanations(layer, matrix, positions), *rows]) + "\n")


def _layer(
    kernel: str | None, pool: str | None, stride: int, padding: str, dilation: int, *, flip: bool
) -> "ConvPool":
    from cnncli.inspection import convolution, kernels

    pooling = convolution.parse_pooling(pool) if pool is not None else None
    if kernel is None:
        return convolution.ConvPool(None, convolution.WindowSettings(), pooling)
    weights = kernels.parse_kernel(kernel)
    weights = weights.flip() if flip else weights
    height, width = weights.weights.shape
    zeros = convolution.parse_padding(padding.strip(), (height, width), dilation)
    return convolution.ConvPool(weights, convolution.WindowSettings(stride, zeros, dilation), pooling)


def _matrix(source: str) -> "Numbers | None":
    """The matrix in a file or a text; None where the source is an image."""
    from cnncli.inspection.kernels import parse_matrix, read_matrix

    path = Path(source)
    if path.suffix.lower() in _MATRIX_SUFFIXES:
        return read_matrix(path)
    is_file = os.path.exists(source)  # noqa: PTH110 - also False for a name that is too long
    is_text = not is_file and re.fullmatch(r"[\s;,./+-]*\d[\d\s;,./+eE-]*", source)
    return parse_matrix(source, "matrix") if is_text else None


Positions = list[tuple[int, int] | None]
"""(row, column) of output values; None for all."""


def _draw(
    source: str,
    layer: "ConvPool",
    positions: Positions,
    destination: pictures.PictureDestination,
    console: Console,
) -> None:
    from cnncli.inspection.convolve_image import before_and_after, image_planes

    planes = image_planes(inspection.read_source(source), layer)
    figure = before_and_after(Path(source).name, planes, layer)
    for name, plane in planes.items() if positions else ():
        write_data("".join(f"{name} {line}\n".lstrip() for line in _explanations(layer, plane, positions)))
    destination.write(figure, console)


def _parse_positions(words: Sequence[str]) -> Positions:
    """`0,1` as (0, 1), `all` as None.

    Raises:
        UsageError: neither of these.
    """
    positions: Positions = []
    for word in words:
        match = re.fullmatch(r"(\d{1,9}),(\d{1,9})", word)
        if not match and word != "all":
            raise UsageError(f"--steps {word!r} is not of the form ROW,COLUMN", "write e.g. 0,1; or all")
        positions.append((int(match[1]), int(match[2])) if match else None)
    return positions


def _explanations(layer: "ConvPool", plane: "Numbers", positions: Positions) -> list[str]:
    """A line of arithmetic for each position."""
    if not positions:
        return []
    rows, columns = layer.stages(plane)[-1][1].shape
    expanded: list[tuple[int, int]] = []
    for position in positions:
        expanded += (
            [position]
            if position
            else [divmod(index, columns) for index in range(min(rows * columns, _MAX_STEPS))]
        )
    lines = layer.explain(plane, expanded)
    return [f"{row},{column}: {line}" for (row, column), line in zip(expanded, lines, strict=True)]
