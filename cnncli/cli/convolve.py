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
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.records.choices import KERNELS, PaddingMode

if TYPE_CHECKING:
    from cnncli.inspection.convolution import ConvPool
    from cnncli.inspection.kernels import Numbers
    from cnncli.inspection.windows import Pair

_MATRIX_SUFFIXES = {".csv", ".tsv", ".txt"}
_MAX_STEPS = 16
"""Output values whose arithmetic `--steps all` prints."""

_NEGATIVE = re.compile(r"-\.?\d[\d\s;,./+eE|-]*")


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
            "'1 9 6 4; 5 4 7 8'; | separates the channels of a volume.",
            show_default=False,
        ),
    ],
    kernel: Annotated[
        str | None,
        typer.Option(
            "--kernel",
            metavar="NAME|ROWS|FILE",
            autocompletion=completion.complete_kernel,
            help=f"Kernel: {', '.join(KERNELS)}; its rows, e.g. '0 -1 0; -1 4 -1; 0 -1 0'; or a file with them. | separates "
            "one part for each channel, whose results are added; a single part is applied to each channel separately.",
        ),
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool",
            metavar="max|avg|min|median:N[/S]",
            help="Pooling after the kernel: maximum, mean, minimum or median of windows of NxN at stride S (default N); 3x2 "
            "and 2x1 for rows and columns.",
        ),
    ] = None,
    add_channels: Annotated[
        bool,
        typer.Option(
            "--sum",
            help="Add the results of all channels, as a convolutional layer does, even if there is one kernel for all of them.",
        ),
    ] = False,
    bias: Annotated[
        str | None,
        typer.Option("--bias", metavar="NUMBER", help="Number added to each result of the kernel."),
    ] = None,
    relu: Annotated[
        bool, typer.Option("--relu", help="Replace negative results by zero, before the pooling.")
    ] = False,
    stride: Annotated[
        str,
        typer.Option(
            "--stride", metavar="N", help="Stride of the kernel, in pixels; 2x1 for rows and columns."
        ),
    ] = "1",
    padding: Annotated[
        str,
        typer.Option(
            "--padding",
            metavar="valid|same|full|N",
            help="Padding on each side: none (valid); floor(K/2) pixels, which keeps the size at stride 1 and needs an odd "
            "kernel (same); K - 1 pixels, so that every value meets every weight (full); or N pixels, 4x2 for rows and columns.",
        ),
    ] = "valid",
    padding_mode: Annotated[
        PaddingMode,
        typer.Option(
            "--padding-mode",
            help="What padding is filled with: zeros, the image mirrored without (reflect) or with its edge (symmetric), or "
            "its edge repeated (replicate).",
        ),
    ] = PaddingMode.ZEROS,
    dilation: Annotated[
        str,
        typer.Option(
            "--dilation",
            metavar="N",
            help="Dilation of the kernel: distance between its weights, in pixels; 3x1 for rows and columns.",
        ),
    ] = "1",
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
    applied to red, green and blue. For a matrix, the exact result is printed. A single row or column is a signal of one
    dimension: nothing is added beside it.

    \b
    Examples:
      cnncli convolve photo.jpg --kernel sobel-x
      cnncli convolve photo.jpg --kernel gaussian --stride 2 -o blurred.png
      cnncli convolve photo.jpg --kernel high-pass --pool max:2
      cnncli convolve '1 9 6 4; 5 4 7 8; 5 1 2 9' --pool max:2 --steps 0,1
      cnncli convolve numbers.csv --kernel '0 -1 0; -1 4 -1; 0 -1 0' --steps all
      cnncli convolve '1 2; 3 4 | 5 6; 7 8' --kernel '1 0; 0 1 | 0 1; 1 0'
    """  # noqa: D301 - Typer keeps the lines of a paragraph that begins with a backspace
    console = Console(quiet=quiet)
    if kernel is None and pool is None:
        raise UsageError("neither --kernel nor --pool is given", "try --kernel high-pass, or --pool max:2")
    kernel_options = {
        "--sum": add_channels,
        "--bias": bias is not None,
        "--relu": relu,
        "--stride": stride != "1",
        "--padding": padding != "valid",
        "--padding-mode": padding_mode is not PaddingMode.ZEROS,
        "--dilation": dilation != "1",
        "--flip": flip,
    }
    if kernel is None and (unused := [name for name, is_set in kernel_options.items() if is_set]):
        raise UsageError(
            f"{', '.join(unused)}: no effect without --kernel", "the stride of a pooling is S in max:N/S"
        )
    positions = _parse_positions([word.strip() for word in steps or ()])
    with quiet_libraries(), console.spinner("computing the convolution"):
        volume = _volume(source)
        settings = _KernelOptions(
            stride, padding.strip(), padding_mode, dilation, bias, relu, add_channels, flip
        )
        layer = _layer(kernel, pool, settings, None if volume is None else volume.shape)
        if volume is None:
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
        write_data(
            "\n".join(
                [*_explanations(layer, volume, _channel_names(volume), positions), _result(layer, volume)]
            )
            + "\n"
        )


@frozen_dataclass
class _KernelOptions:
    """The options of the kernel as they were written."""

    stride: str
    padding: str
    padding_mode: PaddingMode
    dilation: str
    bias: str | None
    relu: bool
    add_channels: bool
    flip: bool


def _layer(
    kernel: str | None, pool: str | None, settings: _KernelOptions, shape: tuple[int, ...] | None
) -> "ConvPool":
    """The layer that the options describe.

    Args:
        kernel: as written; None for none.
        pool: likewise.
        settings: the kernel's options.
        shape: (C, H, W) of a matrix; None for an image.

    Raises:
        UsageError: an option is invalid, or has no effect.
    """
    from cnncli.inspection import convolution, kernels, windows

    size = (shape[1], shape[2]) if shape else None
    weights = kernels.parse_kernel(kernel) if kernel is not None else None
    kernel_size: Pair = weights.weights.shape[-2:] if weights else (1, 1)
    has_pairs = "x" in settings.padding
    flat = windows.flat_axes(size, kernel_size) if size and not has_pairs else (False, False)
    pooling = windows.parse_pooling(pool, flat) if pool is not None else None
    if weights is None:
        return convolution.ConvPool(None, windows.WindowSettings(), pooling)
    if settings.add_channels and shape and shape[0] == 1:
        raise UsageError("--sum: no effect on a single channel", "| separates the channels of a volume")
    dilation = windows.parse_pair(settings.dilation, "--dilation")
    padding = windows.parse_padding(settings.padding, kernel_size, dilation, flat)
    if settings.padding_mode is not PaddingMode.ZEROS and padding == ((0, 0), (0, 0)):
        raise UsageError("--padding-mode: no effect without padding", "add e.g. --padding same")
    return convolution.ConvPool(
        weights.flip() if settings.flip else weights,
        windows.WindowSettings(
            windows.parse_pair(settings.stride, "--stride"), padding, dilation, settings.padding_mode
        ),
        pooling,
        adds_channels=settings.add_channels or len(weights.weights) > 1,
        bias=kernels.parse_number((settings.bias or "0").strip(), "--bias: "),
        has_relu=settings.relu,
    )


def _volume(source: str) -> "Numbers | None":
    """(C, H, W): the matrix in a file or a text; None where the source is an image."""
    from cnncli.inspection.kernels import parse_volume, read_volume

    path = Path(source)
    if path.suffix.lower() in _MATRIX_SUFFIXES:
        return read_volume(path)
    is_file = os.path.exists(source)  # noqa: PTH110 - also False for a name that is too long
    is_text = not is_file and re.fullmatch(r"[\s;,./+|-]*\d[\d\s;,./+eE|-]*", source)
    return parse_volume(source, "matrix") if is_text else None


def _channel_names(volume: "Numbers") -> list[str]:
    """`channel 1`, …; no name for a single one."""
    return [f"channel {number + 1}" for number in range(len(volume))] if len(volume) > 1 else [""]


def _result(layer: "ConvPool", volume: "Numbers") -> str:
    """The rows of the output, with a bar between channels."""
    from cnncli.inspection.kernels import CHANNEL_SEPARATOR, number_text

    ((_, result),) = layer.stages(volume)[-1:]
    planes = ["\n".join(" ".join(map(number_text, row)) for row in plane) for plane in result.tolist()]
    return f"\n{CHANNEL_SEPARATOR}\n".join(planes)


Positions = list[tuple[int, int] | None]
"""(row, column) of output values; None for all."""


def _draw(
    source: str,
    layer: "ConvPool",
    positions: Positions,
    destination: pictures.PictureDestination,
    console: Console,
) -> None:
    import numpy as np

    from cnncli.inspection.convolve_image import before_and_after, image_planes

    planes = image_planes(inspection.read_source(source), layer)
    figure = before_and_after(Path(source).name, planes, layer)
    stack = np.stack(list(planes.values()))
    for line in _explanations(layer, stack, list(planes), positions):
        write_data(f"{line}\n")
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


def _explanations(
    layer: "ConvPool", planes: "Numbers", names: Sequence[str], positions: Positions
) -> list[str]:
    """The arithmetic of each position, for channels (C, H, W) with names."""
    if not positions:
        return []
    rows, columns = layer.stages(planes)[-1][1].shape[-2:]
    expanded: list[tuple[int, int]] = []
    for position in positions:
        expanded += (
            [position]
            if position
            else [divmod(index, columns) for index in range(min(rows * columns, _MAX_STEPS))]
        )
    return layer.explain(planes, names, expanded)
