"""The formulas against torch, and against the numbers of the course."""

import itertools

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnncli.errors import GeometryError
from cnncli.geometry import (
    ReceptiveField,
    convolution_parameters,
    joined,
    linear_parameters,
    output_size,
    reach,
    same_padding,
    smallest_input,
    transposed_output_size,
)

kernels, strides, paddings, dilations = (
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(0, 6),
    st.integers(1, 4),
)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "expected"),
    [
        (32, 5, 1, 0, 1, 28),  # the course's first example
        (224, 3, 1, 1, 1, 224),
        (224, 3, 2, 1, 1, 112),
        (128, 5, 2, 0, 1, 62),
        (62, 5, 2, 0, 1, 29),
        (29, 5, 2, 0, 1, 13),  # one course prints 12: a slip
        (50, 3, 2, 4, 1, 28),
        (100, 5, 1, 2, 1, 100),
        (50, 3, 2, 4, 3, 26),
        (50, 3, 2, 0, 1, 24),
        (64, 5, 1, 0, 1, 60),
    ],
)
def test_worked_output_sizes(
    size: int, kernel: int, stride: int, padding: int, dilation: int, expected: int
) -> None:
    assert output_size(size, kernel, stride, padding, dilation) == expected


@given(size=st.integers(1, 80), kernel=kernels, stride=strides, padding=paddings, dilation=dilations)
@settings(max_examples=300, deadline=None)
def test_convolutions_as_torch_computes_them(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    layer = nn.Conv1d(1, 1, kernel, stride, padding, dilation, device="meta")
    try:
        expected = layer(torch.zeros(1, 1, size, device="meta")).shape[-1]
    except RuntimeError:
        with pytest.raises(GeometryError, match="does not fit into"):
            output_size(size, kernel, stride, padding, dilation)
        return
    assert output_size(size, kernel, stride, padding, dilation) == expected


@given(size=st.integers(1, 80), kernel=kernels, stride=strides, padding=paddings, ceil=st.booleans())
@settings(max_examples=300, deadline=None)
def test_poolings_as_torch_computes_them(
    size: int, kernel: int, stride: int, padding: int, *, ceil: bool
) -> None:
    assume(2 * padding <= kernel)
    layer = nn.MaxPool2d((1, kernel), (1, stride), (0, padding), ceil_mode=ceil)
    try:
        expected = layer(torch.zeros(1, 1, 1, size, device="meta")).shape[-1]
    except RuntimeError:
        with pytest.raises(GeometryError):
            output_size(size, kernel, stride, padding, ceil=ceil)
        return
    assert output_size(size, kernel, stride, padding, ceil=ceil) == expected


@given(
    size=st.integers(1, 40),
    kernel=kernels,
    stride=strides,
    padding=paddings,
    dilation=dilations,
    more=st.integers(0, 3),
)
@settings(max_examples=200, deadline=None)
def test_transposed_convolutions_as_torch_computes_them(
    size: int, kernel: int, stride: int, padding: int, dilation: int, more: int
) -> None:
    assume(more < max(stride, dilation))
    layer = nn.ConvTranspose1d(1, 1, kernel, stride, padding, more, dilation=dilation, device="meta")
    try:
        expected = layer(torch.zeros(1, 1, size, device="meta")).shape[-1]
    except RuntimeError:
        with pytest.raises(GeometryError):
            transposed_output_size(size, kernel, stride, padding, dilation, more)
        return
    assert transposed_output_size(size, kernel, stride, padding, dilation, more) == expected


@given(output=st.integers(1, 40), kernel=kernels, stride=strides, padding=paddings, dilation=dilations)
def test_the_smallest_input(output: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    size = smallest_input(output, kernel, stride, padding, dilation)
    assert output_size(size, kernel, stride, padding, dilation) >= output
    if size > 1:
        try:
            smaller = output_size(size - 1, kernel, stride, padding, dilation)
        except GeometryError:
            smaller = 0
        assert smaller < output


@given(size=st.integers(1, 100), kernel=st.integers(0, 6).map(lambda n: 2 * n + 1), dilation=dilations)
def test_same_keeps_the_size(size: int, kernel: int, dilation: int) -> None:
    padding = same_padding(kernel, dilation)
    assert output_size(size, kernel, 1, padding, dilation) == size
    assert 2 * padding + 1 == reach(kernel, dilation)


def test_receptive_fields() -> None:
    field = ReceptiveField()
    for kernel, stride in [(3, 1), (3, 1), (2, 2)]:  # the first block of VGG
        field = field.through(kernel, stride)
    assert field == ReceptiveField(6, 2)
    assert field.through(3, 1, 2) == ReceptiveField(14, 2)
    assert joined([field, ReceptiveField(9, 2)]) == ReceptiveField(9, 2)


def test_parameters() -> None:
    assert convolution_parameters((5, 5), 1, 1) == (25, 1)  # 26 in all
    assert convolution_parameters((3, 3), 3, 64) == (1728, 64)
    assert convolution_parameters((5, 5), 10, 20) == (5000, 20)
    assert convolution_parameters((1, 1), 10, 4)[0] + convolution_parameters((5, 5), 4, 20)[0] == 2040
    assert convolution_parameters((5, 5), 96, 256, groups=2) == (307_200, 256)
    assert linear_parameters(4096, 1000) == (4_096_000, 1000)
    sizes = [64 * 64, 256, 128, 64, 16]
    layers = [linear_parameters(*pair) for pair in itertools.pairwise(sizes)]
    assert sum(map(sum, layers)) == 1_091_024
    assert linear_parameters(64 * 64, 128)[0] == 524_288
