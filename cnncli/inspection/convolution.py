"""A convolutional layer and a pooling layer on an image or a matrix, with the arithmetic of each output value.

Networks compute the cross-correlation: the kernel is used as written, without flipping it. The convolution of mathematics
flips it along both axes first. Exact for fractions, fast for floats; needs no torch.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from cnncli import geometry
from cnncli.errors import UsageError
from cnncli.inspection.kernels import Kernel, Numbers, number_text
from cnncli.records.choices import PoolKind


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """How a kernel or a pooling window slides over its input.

    Attributes:
        stride: pixels from one window to the next.
        padding: ((top, bottom), (left, right)), in pixels of zeros.
        dilation: distance between neighbouring weights of the kernel, in pixels.
    """

    stride: int = 1
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: int = 1


_MAX_PADDING = 1_000


def parse_padding(text: str, size: tuple[int, int], dilation: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) in pixels.

    Args:
        text: `valid` for none, `same` for an output as large as the input at stride 1, or a number of pixels.
        size: (K_h, K_w) of the kernel.
        dilation: of the kernel.

    Raises:
        UsageError: none of these.
    """
    if text == "valid":
        return (0, 0), (0, 0)
    if text == "same":  # an even kernel gets the odd zero at the end, as in torch and TensorFlow
        height, width = (geometry.effective_kernel_size(kernel, dilation) - 1 for kernel in size)
        return (height // 2, height - height // 2), (width // 2, width - width // 2)
    if not text.isdecimal() or int(text) > _MAX_PADDING:
        raise UsageError(
            f"--padding {text!r} is neither valid nor same nor a number of pixels up to {_MAX_PADDING:,}"
        )
    return ((int(text), int(text)),) * 2


def cross_correlate(planes: Numbers, weights: Numbers, settings: WindowSettings) -> Numbers:
    """(…, H', W') of planes (…, H, W): the sum of products of a kernel (K_h, K_w) with each window.

    Raises:
        GeometryError: the kernel does not fit.
    """
    shape = (weights.shape[0], weights.shape[1])
    total: Numbers | None = None
    for (row, column), values in _window_values(planes, shape, settings):
        product = weights[row, column] * values
        total = product if total is None else np.add(total, product, out=total)
    assert total is not None  # noqa: S101 - a kernel has at least one weight
    return total


def _window_values(
    planes: Numbers, size: tuple[int, int], settings: WindowSettings
) -> Iterator[tuple[tuple[int, int], Numbers]]:
    """For each (row, column) of a kernel (K_h, K_w) the values (…, H', W') that all windows have there."""
    leading = ((0, 0),) * (planes.ndim - 2)
    padded = np.pad(planes, (*leading, *settings.padding))
    stride = settings.stride
    rows, columns = (
        geometry.output_size(length, kernel, stride, dilation=settings.dilation)
        for length, kernel in zip(padded.shape[-2:], size, strict=True)
    )
    for row, column in np.ndindex(size):
        top, left = row * settings.dilation, column * settings.dilation
        yield (
            (row, column),
            padded[
                ...,
                top : top + (rows - 1) * stride + 1 : stride,
                left : left + (columns - 1) * stride + 1 : stride,
            ],
        )


# ---- pooling


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """A pooling layer.

    Attributes:
        kind: which value of a window is kept.
        size: height and width of a window, in pixels.
        stride: pixels from one window to the next.
    """

    kind: PoolKind
    size: int
    stride: int


def parse_pooling(text: str) -> PoolSettings:
    """`max:2`, or `avg:3/2` for windows of 3 x 3 at stride 2.

    Raises:
        UsageError: not of this form.
    """
    match = re.fullmatch(r"(max|avg|min):([1-9]\d*)(?:/([1-9]\d*))?", text)
    if not match:
        raise UsageError(
            f"--pool {text!r} is not a pooling", "write max:2, avg:2 or min:2; max:3/2 for a stride of 2"
        )
    size = int(match[2])
    return PoolSettings(PoolKind(match[1]), size, int(match[3] or size))


def pool(planes: Numbers, pooling: PoolSettings) -> Numbers:
    """(…, H', W') of planes (…, H, W): the maximum, minimum or mean of each window.

    Raises:
        GeometryError: the window does not fit.
    """
    size, settings = (pooling.size, pooling.size), WindowSettings(pooling.stride)
    values: list[Numbers] = [values for _, values in _window_values(planes, size, settings)]
    combine = {PoolKind.MAX: np.maximum, PoolKind.MIN: np.minimum, PoolKind.AVERAGE: np.add}[pooling.kind]
    result: Numbers = functools.reduce(combine, values)
    return result / len(values) if pooling.kind is PoolKind.AVERAGE else result


# ---- a kernel, then a pooling


@dataclass(frozen=True, slots=True)
class ConvPool:
    """A kernel, a pooling, or one after the other.

    Attributes:
        kernel: None for no kernel.
        settings: how the kernel slides.
        pooling: None for no pooling.
    """

    kernel: Kernel | None
    settings: WindowSettings
    pooling: PoolSettings | None

    def stages(self, planes: Numbers) -> list[tuple[str, Numbers]]:
        """Planes (…, H, W) after the kernel and after the pooling, each with a description.

        Raises:
            GeometryError: a window does not fit.
        """
        results: list[tuple[str, Numbers]] = []
        if self.kernel:
            height, width = self.kernel.weights.shape
            description = f"{self.kernel.name}, {height} x {width}{self._settings_text}"
            planes = cross_correlate(planes, self.kernel.weights.astype(planes.dtype), self.settings)
            results.append((description, planes))
        if pooling := self.pooling:
            planes = pool(planes, pooling)
            description = f"{pooling.kind} pooling, {pooling.size} x {pooling.size}, stride {pooling.stride}"
            results.append((description, planes))
        return results

    @property
    def _settings_text(self) -> str:
        stride, dilation = self.settings.stride, self.settings.dilation
        return (f", stride {stride}" if stride > 1 else "") + (
            f", dilation {dilation}" if dilation > 1 else ""
        )

    def explain(self, plane: Numbers, positions: Sequence[tuple[int, int]]) -> list[str]:
        """The arithmetic of output values at positions (row, column) for a plane (H, W), of the last stage.

        Raises:
            UsageError: the output has no such position.
        """
        if self.pooling:
            stages = ConvPool(self.kernel, self.settings, None).stages(plane)
            pooling_input = stages[-1][1] if stages else plane
            return [explain_pooling(pooling_input, self.pooling, position) for position in positions]
        assert self.kernel is not None  # noqa: S101 - the command line asks for one of the two
        return [
            explain_products(plane, self.kernel.weights, self.settings, position) for position in positions
        ]


# ---- the arithmetic of one output value


def explain_products(
    plane: Numbers, weights: Numbers, settings: WindowSettings, position: tuple[int, int]
) -> str:
    """`10*0 + 73*(-1) + … = -90`: the arithmetic of a kernel's output at (row, column) for a plane (H, W).

    Raises:
        UsageError: the output has no such position.
    """
    values = _to_fractions(_window(plane, (weights.shape[0], weights.shape[1]), settings, position))
    products = [
        f"{_factor_text(value)}*{_factor_text(weight)}"
        for value, weight in zip(values.flat, weights.flat, strict=True)
    ]
    return f"{' + '.join(products)} = {number_text((values * weights).sum())}"


def explain_pooling(plane: Numbers, pooling: PoolSettings, position: tuple[int, int]) -> str:
    """`max(1, 9, 5, 4) = 9`: the arithmetic of a pooling's output at (row, column) for a plane (H, W).

    Raises:
        UsageError: the output has no such position.
    """
    values = _window(plane, (pooling.size, pooling.size), WindowSettings(pooling.stride), position)
    arguments = ", ".join(map(number_text, values.flat))
    return f"{pooling.kind}({arguments}) = {number_text(pool(values, pooling)[0, 0])}"


def _window(
    plane: Numbers, size: tuple[int, int], settings: WindowSettings, position: tuple[int, int]
) -> Numbers:
    """(K_h, K_w): the values under the kernel for an output position."""
    window = np.empty(size, plane.dtype)
    for offset, values in _window_values(plane, size, settings):
        rows, columns = values.shape
        if position[0] >= rows or position[1] >= columns:
            raise UsageError(
                f"position {position[0]},{position[1]} is outside the {rows} x {columns} output",
                "rows and columns count from 0",
            )
        window[offset] = values[position]
    return window


_to_fractions = np.vectorize(Fraction, otypes=[object])
"""Floats as the fractions that they are."""


def _factor_text(number: Any) -> str:  # noqa: ANN401 - a fraction or a float
    text = number_text(number)
    return f"({text})" if text.startswith("-") or "/" in text else text
