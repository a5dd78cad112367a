"""A convolutional layer and a pooling layer on channels of numbers, with the arithmetic of each output value.

Networks compute the cross-correlation: the kernel is used as written, without flipping it. The convolution of mathematics
flips it along both axes first. Exact for fractions, fast for floats; needs no torch.
"""

import dataclasses
import functools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.inspection.kernels import Kernel, Numbers, number_text
from cnncli.inspection.windows import Pair, PoolSettings, WindowSettings, window_values
from cnncli.records.choices import PoolKind
from cnncli.text import counted, shape_text, sides_text


def cross_correlate(planes: Numbers, weights: Numbers, settings: WindowSettings) -> Numbers:
    """(…, H', W') of planes (…, H, W): the sum of products of a kernel (K_h, K_w) with each window.

    Raises:
        GeometryError: the kernel does not fit.
    """
    shape = (weights.shape[0], weights.shape[1])
    total: Numbers | None = None
    for (row, column), values in window_values(planes, shape, settings):
        product = weights[row, column] * values
        total = product if total is None else np.add(total, product, out=total)
    assert total is not None  # noqa: S101 - a kernel has at least one weight
    return total


def pool(planes: Numbers, pooling: PoolSettings) -> Numbers:
    """(…, H', W') of planes (…, H, W): the maximum, minimum, mean or median of each window.

    Raises:
        GeometryError: the window does not fit.
    """
    settings = WindowSettings(pooling.stride)
    values: list[Numbers] = [values for _, values in window_values(planes, pooling.size, settings)]
    if pooling.kind is PoolKind.MEDIAN:
        ordered = np.sort(np.stack(values), axis=0)
        middle = len(values) // 2
        median: Numbers = ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
        return median
    combine = {PoolKind.MAX: np.maximum, PoolKind.MIN: np.minimum, PoolKind.AVERAGE: np.add}[pooling.kind]
    result: Numbers = functools.reduce(combine, values)
    return result / len(values) if pooling.kind is PoolKind.AVERAGE else result


# ---- a kernel, then a pooling


@frozen_dataclass
class ConvPool:
    """A kernel, a pooling, or one after the other.

    Attributes:
        kernel: None for no kernel. One part for each channel, whose results are added; or one part for all of them.
        settings: how the kernel slides.
        pooling: None for no pooling.
        adds_channels: whether the results of all channels are added even if there is one part for all of them.
        bias: added to each sum of products.
        has_relu: whether negative sums become zero before the pooling.
    """

    kernel: Kernel | None
    settings: WindowSettings
    pooling: PoolSettings | None
    adds_channels: bool = False
    bias: Fraction = Fraction(0)
    has_relu: bool = False

    def stages(self, planes: Numbers) -> list[tuple[str, Numbers]]:
        """Channels (C, H, W) after the kernel and after the pooling, each with a description.

        Raises:
            GeometryError: a window does not fit.
            UsageError: the kernel has parts for another number of channels.
        """
        results: list[tuple[str, Numbers]] = []
        if self.kernel:
            planes = self._convolve(planes, self.kernel)
            results.append((f"{self.kernel.name}, {self._kernel_text(self.kernel)}", planes))
        if pooling := self.pooling:
            planes = pool(planes, pooling)
            size, stride = shape_text(pooling.size), sides_text(pooling.stride)
            results.append((f"{pooling.kind} pooling, {size}, stride {stride}", planes))
        return results

    def _convolve(self, planes: Numbers, kernel: Kernel) -> Numbers:
        parts = self.parts(kernel, len(planes))
        results: Numbers = np.stack(
            [
                cross_correlate(plane, part.astype(planes.dtype), self.settings)
                for plane, part in zip(planes, parts, strict=True)
            ]
        )
        if self.adds_channels:
            results = results.sum(axis=0, keepdims=True)
        if self.bias:
            results = results + np.array(self.bias).astype(planes.dtype)
        return np.maximum(results, np.zeros(1, planes.dtype)) if self.has_relu else results

    def parts(self, kernel: Kernel, channels: int) -> list[Numbers]:
        """The part (K_h, K_w) of the kernel for each channel.

        Raises:
            UsageError: there are parts for another number of channels.
        """
        weights = list(kernel.weights)
        if len(weights) not in {1, channels}:
            raise UsageError(
                f"the kernel has {len(weights)} parts, but the input {counted(channels, 'channel')}",
                "write one part for each channel, separated by |, or one for all",
            )
        return weights * channels if len(weights) == 1 else weights

    def _kernel_text(self, kernel: Kernel) -> str:
        depth, height, width = kernel.weights.shape
        stride, dilation = self.settings.stride, self.settings.dilation
        return (
            shape_text((height, width) if depth == 1 else (height, width, depth))
            + (f", stride {sides_text(stride)}" if max(stride) > 1 else "")
            + (f", dilation {sides_text(dilation)}" if max(dilation) > 1 else "")
            + (", channels added" if self.adds_channels and depth == 1 else "")
            + (f", bias {number_text(self.bias)}" if self.bias else "")
            + (", ReLU" if self.has_relu else "")
        )

    def explain(self, planes: Numbers, names: Sequence[str], positions: Sequence[Pair]) -> list[str]:
        """The arithmetic of the last stage's values at positions (row, column), for channels (C, H, W).

        Args:
            planes: (C, H, W).
            names: of the channels; empty for none.
            positions: of output values.

        Raises:
            UsageError: the output has no such position.
        """
        if self.pooling:
            stages = dataclasses.replace(self, pooling=None).stages(planes)
            inputs = stages[-1][1] if stages else planes
            names = names if len(inputs) == len(names) else [""]
            return [
                _prefix(name, position) + explain_pooling(plane, self.pooling, position)
                for name, plane in zip(names, inputs, strict=True)
                for position in positions
            ]
        assert self.kernel is not None  # noqa: S101 - the command line asks for one of the two
        parts = self.parts(self.kernel, len(planes))
        channels = list(zip(names, planes, parts, strict=True))
        if self.adds_channels and len(channels) > 1:
            return ["\n".join(self._explain_sum(channels, position)) for position in positions]
        return [
            _prefix(name, position) + self._explain_channel(plane, part, position)
            for name, plane, part in channels
            for position in positions
        ]

    def _explain_channel(self, plane: Numbers, part: Numbers, position: Pair) -> str:
        """`10*0 + … = -90`, with the bias before the result and the ReLU after it."""
        products, total = explain_products(plane, part, self.settings, position)
        return self._end([products], total)

    def _explain_sum(self, channels: Sequence[tuple[str, Numbers, Numbers]], position: Pair) -> list[str]:
        """A line for each channel, and one for their sum."""
        prefix = _prefix("", position)
        lines: list[str] = []
        totals = []
        for name, plane, part in channels:
            products, total = explain_products(plane, part, self.settings, position)
            lines.append(
                f"{prefix if not lines else ' ' * len(prefix)}{name}: {products} = {number_text(total)}"
            )
            totals.append(total)
        terms = [_factor_text(total) for total in totals]
        return [*lines, f"{' ' * len(prefix)}sum: {self._end(terms, sum(totals))}"]

    def _end(self, terms: Sequence[str], total: Any) -> str:  # noqa: ANN401 - a fraction or a float
        bias = [f"{_factor_text(self.bias)} (bias)"] if self.bias else []
        total += self.bias
        text = f"{' + '.join([*terms, *bias])} = {number_text(total)}"
        return text + (f"; ReLU: {number_text(max(total, Fraction(0)))}" if self.has_relu else "")


def _prefix(name: str, position: Pair) -> str:
    return f"{name} {position[0]},{position[1]}: ".lstrip()


# ---- the arithmetic of one output value


def explain_products(
    plane: Numbers, weights: Numbers, settings: WindowSettings, position: Pair
) -> tuple[str, Any]:
    """`10*0 + 73*(-1) + …` and its value: a kernel's output at (row, column) for a plane (H, W).

    Raises:
        UsageError: the output has no such position.
    """
    values = _to_fractions(_window(plane, (weights.shape[0], weights.shape[1]), settings, position))
    products = [
        f"{_factor_text(value)}*{_factor_text(weight)}"
        for value, weight in zip(values.flat, weights.flat, strict=True)
    ]
    return " + ".join(products), (values * weights).sum()


def explain_pooling(plane: Numbers, pooling: PoolSettings, position: Pair) -> str:
    """`max(1, 9, 5, 4) = 9`: the arithmetic of a pooling's output at (row, column) for a plane (H, W).

    Raises:
        UsageError: the output has no such position.
    """
    values = _window(plane, pooling.size, WindowSettings(pooling.stride), position)
    arguments = ", ".join(map(number_text, values.flat))
    return f"{pooling.kind}({arguments}) = {number_text(pool(values, pooling)[0, 0])}"


def _window(plane: Numbers, size: Pair, settings: WindowSettings, position: Pair) -> Numbers:
    """(K_h, K_w): the values under the kernel for an output position."""
    window = np.empty(size, plane.dtype)
    for offset, values in window_values(plane, size, settings):
        rows, columns = values.shape
        if position[0] >= rows or position[1] >= columns:
            raise UsageError(
                f"position {position[0]},{position[1]} is outside the output of {counted(rows, 'row')} and "
                f"{counted(columns, 'column')}",
                "rows and columns count from 0",
            )
        window[offset] = values[position]
    return window


_to_fractions = np.vectorize(Fraction, otypes=[object])
"""Floats as the fractions that they are."""


def _factor_text(number: Any) -> str:  # noqa: ANN401 - a fraction or a float
    text = number_text(number)
    return f"({text})" if text.startswith("-") or "/" in text else text
