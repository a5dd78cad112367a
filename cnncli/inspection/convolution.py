"""An image or a matrix under a kernel, and under pooling: what a convolutional layer computes, in the open.

Layers compute the cross-correlation: the kernel lies on the image as it is written, and products are summed up. A
convolution in the sense of mathematics flips it first, in both directions. Exact where the numbers are fractions, fast where
they are floats; knows no torch.
"""

import enum
import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from cnncli import geometry
from cnncli.errors import UsageError
from cnncli.inspection.kernels import Kernel, Numbers, spelled


@dataclass(frozen=True, slots=True)
class Step:
    """How a window moves over the image.

    Attributes:
        stride: pixels from one window to the next.
        padding: pixels of zeros before and after; the same along both axes.
        dilation: pixels between the kernel's weights.
    """

    stride: int = 1
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: int = 1


_MOST_PADDING = 1_000


def padding(text: str, size: tuple[int, int], dilation: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros before and after, along height and width.

    Args:
        text: `valid` for none, `same` for an output as large as the input at stride 1, or a number of pixels.
        size: (K_h, K_w) of the kernel.
        dilation: of the kernel.

    Raises:
        UsageError: it is none of these.
    """
    if text == "valid":
        return (0, 0), (0, 0)
    if text == "same":  # where the kernel is even, the odd zero comes after, as in torch and TensorFlow
        height, width = (geometry.reach(kernel, dilation) - 1 for kernel in size)
        return (height // 2, height - height // 2), (width // 2, width - width // 2)
    if not text.isdecimal() or int(text) > _MOST_PADDING:
        raise UsageError(
            f"--padding {text!r} is neither valid nor same nor a number of pixels up to {_MOST_PADDING:,}"
        )
    return ((int(text), int(text)),) * 2


def cross_correlated(planes: Numbers, weights: Numbers, step: Step) -> Numbers:
    """(…, H', W') of planes (…, H, W): each value the sum of a window's values times the kernel's weights.

    Raises:
        GeometryError: the kernel does not fit.
    """
    shape = (weights.shape[0], weights.shape[1])
    total: Numbers | None = None
    for (row, column), window in _windows(planes, shape, step):
        part = weights[row, column] * window
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None  # noqa: S101 - a kernel has at least one weight
    return total


def _windows(planes: Numbers, size: tuple[int, int], step: Step) -> Iterator[tuple[tuple[int, int], Numbers]]:
    """For each place of a kernel (K_h, K_w) what all windows have there: (…, H', W')."""
    ahead = ((0, 0),) * (planes.ndim - 2)
    padded = np.pad(planes, (*ahead, *step.padding))
    rows, columns = (
        geometry.output_size(length, kernel, step.stride, dilation=step.dilation)
        for length, kernel in zip(padded.shape[-2:], size, strict=True)
    )
    for row, column in np.ndindex(size):
        top, left = row * step.dilation, column * step.dilation
        yield (
            (row, column),
            padded[
                ...,
                top : top + (rows - 1) * step.stride + 1 : step.stride,
                left : left + (columns - 1) * step.stride + 1 : step.stride,
            ],
        )


# ---- pooling


class Pool(enum.StrEnum):
    """What is kept of a window."""

    MAX = "max"
    AVERAGE = "avg"
    MIN = "min"


@dataclass(frozen=True, slots=True)
class Pooling:
    """A pooling layer.

    Attributes:
        kind: what is kept of a window.
        size: of its sides, in pixels.
        stride: pixels from one window to the next.
    """

    kind: Pool
    size: int
    stride: int


def pooling(text: str) -> Pooling:
    """`max:2`, or `avg:3/2` for windows of 3 x 3 that lie 2 apart.

    Raises:
        UsageError: it is nothing of the kind.
    """
    match = re.fullmatch(r"(max|avg|min):([1-9]\d*)(?:/([1-9]\d*))?", text)
    if not match:
        raise UsageError(
            f"--pool {text!r} is no pooling", "write max:2, avg:2 or min:2; max:3/2 for a stride of 2"
        )
    size = int(match[2])
    return Pooling(Pool(match[1]), size, int(match[3] or size))


def pooled(planes: Numbers, how: Pooling) -> Numbers:
    """(…, H', W') of planes (…, H, W): the largest, smallest or mean value of each window.

    Raises:
        GeometryError: the window does not fit.
    """
    windows: list[Numbers] = [
        window for _, window in _windows(planes, (how.size, how.size), Step(how.stride))
    ]
    together = {Pool.MAX: np.maximum, Pool.MIN: np.minimum, Pool.AVERAGE: np.add}[how.kind]
    result: Numbers = functools.reduce(together, windows)
    return result / len(windows) if how.kind is Pool.AVERAGE else result


# ---- both


@dataclass(frozen=True, slots=True)
class Layer:
    """A kernel, a pooling, or one after the other.

    Attributes:
        kernel: None for none.
        step: how the kernel moves.
        pooling: None for none.
    """

    kernel: Kernel | None
    step: Step
    pooling: Pooling | None

    def stages(self, planes: Numbers) -> list[tuple[str, Numbers]]:
        """What planes (…, H, W) become: by the kernel, then by the pooling; each with its name.

        Raises:
            GeometryError: a window does not fit.
        """
        found: list[tuple[str, Numbers]] = []
        if self.kernel:
            height, width = self.kernel.weights.shape
            told = f"{self.kernel.name}, {height} x {width}{self._moves}"
            planes = cross_correlated(planes, self.kernel.weights.astype(planes.dtype), self.step)
            found.append((told, planes))
        if how := self.pooling:
            planes = pooled(planes, how)
            found.append((f"{how.kind} pooling, {how.size} x {how.size}, stride {how.stride}", planes))
        return found

    @property
    def _moves(self) -> str:
        stride, dilation = self.step.stride, self.step.dilation
        return (f", stride {stride}" if stride > 1 else "") + (
            f", dilation {dilation}" if dilation > 1 else ""
        )

    def arithmetic(self, plane: Numbers, places: Sequence[tuple[int, int]]) -> list[str]:
        """How values at places (row, column) of the result of a plane (H, W) come about, of the last stage.

        Raises:
            UsageError: the result has no such place.
        """
        if self.pooling:
            before = Layer(self.kernel, self.step, None).stages(plane)
            pooled_ = before[-1][1] if before else plane
            return [chosen(pooled_, self.pooling, place) for place in places]
        assert self.kernel is not None  # noqa: S101 - a layer does something
        return [multiplied(plane, self.kernel.weights, self.step, place) for place in places]


# ---- the arithmetic of one value


def multiplied(plane: Numbers, weights: Numbers, step: Step, place: tuple[int, int]) -> str:
    """`10*0 + 73*(-1) + … = -90`: how the value at a place (row, column) of the output of (H, W) comes about.

    Raises:
        UsageError: the output has no such place.
    """
    values = _exactly(_window(plane, (weights.shape[0], weights.shape[1]), step, place))
    products = [
        f"{_factor(value)}*{_factor(weight)}" for value, weight in zip(values.flat, weights.flat, strict=True)
    ]
    return f"{' + '.join(products)} = {spelled((values * weights).sum())}"


def chosen(plane: Numbers, how: Pooling, place: tuple[int, int]) -> str:
    """`max(1, 9, 5, 4) = 9`: how the value at a place (row, column) of the output of (H, W) comes about.

    Raises:
        UsageError: the output has no such place.
    """
    values = _window(plane, (how.size, how.size), Step(how.stride), place)
    return f"{how.kind}({', '.join(map(spelled, values.flat))}) = {spelled(pooled(values, how)[0, 0])}"


def _window(plane: Numbers, size: tuple[int, int], step: Step, place: tuple[int, int]) -> Numbers:
    """(K_h, K_w): what the kernel lies on."""
    values = np.empty(size, plane.dtype)
    for at, window in _windows(plane, size, step):
        rows, columns = window.shape
        if place[0] >= rows or place[1] >= columns:
            raise UsageError(
                f"there is no place {place[0]},{place[1]} in an output of {rows} x {columns}",
                "they count from 0",
            )
        values[at] = window[place]
    return values


_exactly = np.vectorize(Fraction, otypes=[object])
"""Of floats the fractions that they are."""


def _factor(number: Any) -> str:  # noqa: ANN401 - a fraction or a float
    text = spelled(number)
    return f"({text})" if text.startswith("-") or "/" in text else text
