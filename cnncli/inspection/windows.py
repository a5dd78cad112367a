"""Windows that slide over a matrix or an image: strides, padding, dilation, and how they are written.

Pairs are (rows, columns), as in torch: `2x1` is a stride of 2 rows and 1 column.
"""

import re
from collections.abc import Iterator

import numpy as np

from cnncli import geometry
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import GeometryError, UsageError
from cnncli.inspection.kernels import Numbers
from cnncli.records.choices import PaddingMode, PoolKind

Pair = tuple[int, int]
"""(rows, columns)."""

_MAX_PADDING = 1_000

_NUMPY_MODES = {
    PaddingMode.ZEROS: "constant",
    PaddingMode.REFLECT: "reflect",
    PaddingMode.SYMMETRIC: "symmetric",
    PaddingMode.REPLICATE: "edge",
}


@frozen_dataclass
class WindowSettings:
    """How a kernel or a pooling window slides over its input.

    Attributes:
        stride: from one window to the next.
        padding: ((top, bottom), (left, right)), in pixels.
        dilation: distance between neighbouring weights of the kernel.
        mode: what the padding is filled with.
    """

    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    mode: PaddingMode = PaddingMode.ZEROS


@frozen_dataclass
class PoolSettings:
    """A pooling layer.

    Attributes:
        kind: which value of a window is kept.
        size: (rows, columns) of a window.
        stride: from one window to the next.
    """

    kind: PoolKind
    size: Pair
    stride: Pair


def window_values(planes: Numbers, size: Pair, settings: WindowSettings) -> Iterator[tuple[Pair, Numbers]]:
    """For each (row, column) of a kernel (K_h, K_w) the values (…, H', W') that all windows have there.

    Raises:
        GeometryError: the kernel does not fit.
    """
    leading = ((0, 0),) * (planes.ndim - 2)
    mode = _NUMPY_MODES[settings.mode]
    padded = np.pad(planes, (*leading, *settings.padding), mode)  # type: ignore[call-overload]  # its overloads name each mode
    rows, columns = (
        geometry.output_size(length, kernel, stride, dilation=dilation)
        for length, kernel, stride, dilation in zip(
            padded.shape[-2:], size, settings.stride, settings.dilation, strict=True
        )
    )
    (down, right), (row_step, column_step) = settings.stride, settings.dilation
    for row, column in np.ndindex(size):
        top, left = row * row_step, column * column_step
        yield (
            (row, column),
            padded[
                ...,
                top : top + (rows - 1) * down + 1 : down,
                left : left + (columns - 1) * right + 1 : right,
            ],
        )


# ---- how windows are written


def parse_pair(text: str, option: str, *, smallest: int = 1) -> Pair:
    """`2` for both axes, or `2x1` for rows and columns.

    Raises:
        UsageError: neither of these.
    """
    match = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", text.strip())
    pair = (int(match[1]), int(match[2] or match[1])) if match else (-1, -1)
    if min(pair) < smallest or max(pair) > _MAX_PADDING:
        raise UsageError(
            f"{option} {text!r} is neither a number from {smallest} to {_MAX_PADDING:,} nor two for rows and columns",
            "write e.g. 2, or 2x1",
        )
    return pair


def flat_axes(size: Pair, kernel: Pair) -> tuple[bool, bool]:
    """Whether rows or columns are no axis: a single row under a kernel of one row is a signal of one dimension.

    Args:
        size: (rows, columns) of the input.
        kernel: likewise; (1, 1) for none.
    """
    if size == (1, 1):
        return False, False
    return size[0] == kernel[0] == 1, size[1] == kernel[1] == 1


def parse_padding(text: str, kernel: Pair, dilation: Pair, flat: tuple[bool, bool]) -> tuple[Pair, Pair]:
    """((top, bottom), (left, right)) in pixels.

    Args:
        text: `valid` for none; `same` for floor(K/2) on each side; `full` for every position where the
            kernel touches the input; a number of pixels, or two as `4x2`.
        kernel: (K_h, K_w).
        dilation: of the kernel.
        flat: axes that a single number does not pad.

    Raises:
        UsageError: none of these, or `same` for a kernel of even size.
    """
    reach = [
        geometry.effective_kernel_size(side, step) - 1 for side, step in zip(kernel, dilation, strict=True)
    ]
    match text:
        case "valid":
            return (0, 0), (0, 0)
        case "same":
            try:
                height, width = map(geometry.same_padding, kernel, dilation)
            except GeometryError as error:
                raise UsageError(f"--padding same: {error.message}", "write --padding N") from error
            return (height, height), (width, width)
        case "full":
            return (reach[0], reach[0]), (reach[1], reach[1])
    if not re.fullmatch(r"\d+(x\d+)?", text):
        raise UsageError(f"--padding {text!r} is neither valid nor same nor full nor a number of pixels")
    rows, columns = parse_pair(text, "--padding", smallest=0)
    if "x" not in text:
        rows, columns = (0 if is_flat else side for side, is_flat in zip((rows, columns), flat, strict=True))
    return (rows, rows), (columns, columns)


def parse_pooling(text: str, flat: tuple[bool, bool] = (False, False)) -> PoolSettings:
    """`max:2`; `avg:3/2` for windows of 3x3 at stride 2; `median:3x1/2x1` for rows and columns.

    Args:
        text: as written.
        flat: axes along which a single number is 1.

    Raises:
        UsageError: not of this form.
    """
    match = re.fullmatch(r"(max|avg|min|median):([\dx]+)(?:/([\dx]+))?", text)
    if not match:
        raise UsageError(
            f"--pool {text!r} is not a pooling",
            "write max:2, avg:2, min:2 or median:3; max:3/2 for a stride of 2, max:2/2x1 for rows and columns",
        )

    def pair(sides: str) -> Pair:
        rows, columns = parse_pair(sides, "--pool")
        return (rows, columns) if "x" in sides else (1 if flat[0] else rows, 1 if flat[1] else columns)

    size = pair(match[2])
    return PoolSettings(PoolKind(match[1]), size, pair(match[3]) if match[3] else size)
