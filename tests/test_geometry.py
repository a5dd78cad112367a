"""The formulas agree with torch and with worked examples of the course."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnncli.errors import GeometryError
from cnncli.geometry import (
    ReceptiveField,
    effective_kernel_size,
    output_size,
    same_padding,
    union,
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
        (29, 5, 2, 0, 1, 13),  # lecture notes that say 12 are wrong
        (50, 3, 2, 4, 1, 28),
        (100, 5, 1, 2, 1, 100),
        (50, 3, 2, 4, 3, 26),
        (50, 3, 2, 0, 1, 24),
        (64, 5, 1, 0, 1, 60),
    ],
)
def test_output_sizes_of_worked_examples(
    size: int, kernel: int, stride: int, padding: int, dilation: int, expected: int
) -> None:
    assert output_size(size, kernel, stride, padding, dilation) == expected


@given(size=st.integers(1, 80), kernel=kernels, stride=strides, padding=paddings, dilation=dilations)
@settings(max_examples=150, deadline=None)
def test_convolution_output_sizes_agree_with_torch(
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
@settings(max_examples=150, deadline=None)
def test_pooling_output_sizes_agree_with_torch(
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


@given(size=st.integers(1, 100), kernel=st.integers(0, 6).map(lambda n: 2 * n + 1), dilation=dilations)
def test_same_padding_keeps_the_size(size: int, kernel: int, dilation: int) -> None:
    padding = same_padding(kernel, dilation)
    assert output_size(size, kernel, 1, padding, dilation) == size
    assert 2 * padding + 1 == effective_kernel_size(kernel, dilation)


def test_same_padding_is_for_odd_kernels() -> None:
    assert [same_padding(kernel) for kernel in (1, 3, 5, 7)] == [0, 1, 2, 3]  # floor(K / 2)
    assert same_padding(2, dilation=2) == 1  # spans 3 pixels
    for kernel, dilation in ((2, 1), (4, 1), (4, 3)):
        with pytest.raises(GeometryError, match=f"`same` padding needs an odd kernel size, not {kernel}"):
            same_padding(kernel, dilation)


def test_receptive_fields_grow_layer_by_layer() -> None:
    field = ReceptiveField()
    for kernel, stride in [(3, 1), (3, 1), (2, 2)]:  # the first block of VGG
        field = field.after_layer(kernel, stride)
    assert field == ReceptiveField(6, 2)
    assert field.after_layer(3, 1, 2) == ReceptiveField(14, 2)
    assert field.after_transposed_layer(3, 2) == ReceptiveField(8, 1, -2)
    assert field.after_transposed_layer(4, 2) == ReceptiveField(8, 1, -2)
    assert field.after_transposed_layer(2, 2) == ReceptiveField(6, 1)
    assert union([field, ReceptiveField(9, 2, -1)]) == ReceptiveField(9, 2, -1)
    assert union([field, ReceptiveField(6, 2, -1)]) == ReceptiveField(7, 2, -1)


def test_span_of_a_receptive_field() -> None:
    stem = ReceptiveField().after_layer(7, 2, padding=3)  # of a ResNet
    assert stem.span(0) == (-3, 4)
    assert stem.span(10) == (17, 24)
    assert stem.after_layer(3, 2, padding=1).span(1) == (-3 - 2 + 4, -5 + 4 + 11)
