"""Kernels and pooling on numbers that can be checked by hand, some of them from a course."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnncli.errors import GeometryError, InputError, UsageError
from cnncli.inspection import convolution, kernels, windows
from cnncli.inspection.windows import WindowSettings
from cnncli.records.choices import KERNELS, PaddingMode

COURSE = """10 73 64 12 87 16
91 45 26 14 8 71
56 80 27 0 26 48
42 25 71 18 9 3
69 74 34 45 99 30
78 49 33 87 51 25"""


def numbers(text: str) -> Any:
    return kernels.parse_matrix(text, "here")


def test_the_high_pass_kernel_of_the_course() -> None:
    output = convolution.cross_correlate(
        numbers(COURSE), kernels.parse_kernel("high-pass").weights[0], WindowSettings()
    )
    assert (
        output.tolist()
        == numbers("-90 -46 10 -166; 167 -69 -85 39; -167 180 -53 -110; 119 -87 -58 261").tolist()
    )


def test_the_pooling_of_the_course() -> None:
    image = numbers("1 9 6 4; 5 4 7 8; 5 1 2 9; 6 7 6 0")
    answers = {
        kind: [
            [kernels.number_text(value) for value in row] for row in convolution.pool(image, pooling).tolist()
        ]
        for kind in ("max", "avg", "min")
        for pooling in [windows.parse_pooling(f"{kind}:2")]
    }
    assert answers == {
        "max": [["9", "8"], ["7", "9"]],
        "avg": [["4.75", "6.25"], ["4.75", "4.25"]],
        "min": [["1", "4"], ["1", "0"]],
    }


def test_the_four_edge_filters_detect_their_edges() -> None:
    darker = np.zeros((8, 8))
    to_the_right, downwards = darker.copy(), darker.copy()
    to_the_right[:, 4:] = 1
    downwards[4:] = 1
    for name, image, other in (
        ("edge-right", to_the_right, downwards),
        ("edge-left", -to_the_right, downwards),
        ("edge-down", downwards, to_the_right),
        ("edge-up", -downwards, to_the_right),
    ):
        weights = kernels.parse_kernel(name).weights[0]
        assert convolution.cross_correlate(image, weights, WindowSettings()).max() == 8
        assert not convolution.cross_correlate(other, weights, WindowSettings()).any()


@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from(["valid", "same", "full", "2", "2x3"]),
    st.integers(0, 99),
)
def test_convolution_agrees_with_torch(
    height: int, width: int, stride: int, dilation: int, padding: str, seed: int
) -> None:
    if padding == "same":
        height, width = 2 * height - 1, 2 * width - 1
    draws = np.random.default_rng(seed)
    planes, weights = draws.normal(size=(2, 13, 14)), draws.normal(size=(height, width))
    strides, dilations = (stride, 1), (dilation, 2)
    pads = windows.parse_padding(padding, (height, width), dilations, (False, False))
    step = WindowSettings(strides, pads, dilations)
    output = convolution.cross_correlate(planes, weights, step)
    (top, bottom), (left, right) = step.padding
    padded = torch.nn.functional.pad(torch.from_numpy(planes), (left, right, top, bottom))[:, None]
    expected = torch.nn.functional.conv2d(
        padded, torch.from_numpy(weights)[None, None], stride=strides, dilation=dilations
    )
    np.testing.assert_allclose(output, expected[:, 0].numpy(), atol=1e-12)
    if padding == "same":
        assert output.shape[1:] == (-(-13 // stride), 14)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_pooling_agrees_with_torch(size: int, stride: int, seed: int) -> None:
    planes = np.random.default_rng(seed).normal(size=(2, 7, 9))
    tensor = torch.from_numpy(planes)
    largest = convolution.pool(planes, windows.parse_pooling(f"max:{size}/{stride}"))
    np.testing.assert_array_equal(largest, torch.nn.functional.max_pool2d(tensor, size, stride).numpy())
    smallest = convolution.pool(planes, windows.parse_pooling(f"min:{size}/{stride}"))
    np.testing.assert_array_equal(smallest, -torch.nn.functional.max_pool2d(-tensor, size, stride).numpy())
    mean = convolution.pool(planes, windows.parse_pooling(f"avg:{size}/{stride}"))
    np.testing.assert_allclose(mean, torch.nn.functional.avg_pool2d(tensor, size, stride).numpy(), atol=1e-12)


@pytest.mark.parametrize("text", ["median:3", "median:3x2/2x1", "median:2"])
def test_median_pooling_agrees_with_numpy(text: str) -> None:
    planes = np.random.default_rng(0).normal(size=(2, 7, 9))
    pooling = windows.parse_pooling(text)
    (rows, columns), (down, right) = pooling.size, pooling.stride
    views = np.lib.stride_tricks.sliding_window_view(planes, (rows, columns), (1, 2))[:, ::down, ::right]
    np.testing.assert_allclose(convolution.pool(planes, pooling), np.median(views, (3, 4)))


@pytest.mark.parametrize(
    ("mode", "name"), [("reflect", "reflect"), ("replicate", "replicate"), ("zeros", "constant")]
)
def test_padding_modes_agree_with_torch(mode: str, name: str) -> None:
    plane = np.random.default_rng(0).normal(size=(6, 7))
    step = WindowSettings(padding=((2, 2), (1, 1)), mode=PaddingMode(mode))
    padded = torch.nn.functional.pad(torch.from_numpy(plane)[None, None], (1, 1, 2, 2), mode=name)
    identity = np.ones((1, 1))
    np.testing.assert_array_equal(convolution.cross_correlate(plane, identity, step), padded[0, 0].numpy())


def test_symmetric_padding_repeats_the_edge() -> None:
    step = WindowSettings(padding=((0, 0), (2, 2)), mode=PaddingMode.SYMMETRIC)
    output = convolution.cross_correlate(numbers("1 2 3"), numbers("1"), step)
    assert output.tolist() == [[2, 1, 1, 2, 3, 3, 2]]


def test_channels_bias_and_relu_agree_with_torch() -> None:
    draws = np.random.default_rng(0)
    planes, weights = draws.normal(size=(3, 6, 7)), draws.normal(size=(3, 3, 2))
    layer = convolution.ConvPool(
        kernels.Kernel("k", weights),
        WindowSettings((2, 1)),
        None,
        adds_channels=True,
        bias=Fraction(1, 4),
        has_relu=True,
    )
    ((description, output),) = layer.stages(planes)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(planes)[None],
        torch.from_numpy(weights)[None],
        torch.tensor([0.25]).double(),
        stride=(2, 1),
    ).relu()
    np.testing.assert_allclose(output, expected[0].numpy(), atol=1e-12)
    assert description == "k, 3x2x3, stride 2x1, bias 0.25, ReLU"


def test_a_flipped_kernel_convolves() -> None:
    image, weights = numbers("1 2 3; 4 5 6; 7 8 9"), numbers("1 2; 3 4")
    flipped = kernels.Kernel("k", weights[None]).flip()
    assert flipped.weights.tolist() == [[[4, 3], [2, 1]]]
    one_way = convolution.cross_correlate(image, flipped.weights[0], WindowSettings(padding=((1, 1), (1, 1))))
    # Convolution is commutative, as long as nothing is cut off.
    turned = image[::-1, ::-1]
    other_way = convolution.cross_correlate(weights, turned, WindowSettings(padding=((2, 2), (2, 2))))
    assert one_way.tolist() == other_way.tolist()


def test_kernels_by_name() -> None:
    named = {name: kernels.parse_kernel(name) for name in KERNELS}
    assert (named["laplacian"].weights == -named["high-pass"].weights).all()
    assert (named["sobel-y"].weights == named["sobel-x"].weights.transpose(0, 2, 1)).all()
    assert {name for name, one in named.items() if one.sums_to_zero} == {
        *("high-pass", "laplacian", "sobel-x", "sobel-y"),
        *("edge-right", "edge-left", "edge-down", "edge-up"),
    }
    assert {named[name].weights.sum() for name in ("sharpen", "box-blur", "gaussian", "emboss")} == {1}


def test_kernels_from_text_and_files(tmp_path: Path) -> None:
    assert kernels.parse_kernel("0,-1;\n1/3 .5").weights.tolist() == [
        [[0, -1], [Fraction(1, 3), Fraction(1, 2)]],
    ]
    file = tmp_path / "mine.csv"
    file.write_text("\ufeff1,2\r\n3,4\r\n\r\n")
    assert kernels.parse_kernel(str(file)).weights.tolist() == [[[1, 2], [3, 4]]]
    assert kernels.parse_kernel("sobel-x | sobel-y|1 2 3; 4 5 6; 7 8 9").weights.shape == (3, 3, 3)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sobel", "no kernel or file is called 'sobel'"),
        ("1 2; 3", "the rows differ in length (2, 1 numbers)"),
        ("1 x2", "'x2' in row 1 is not a number"),
        ("1 1e99999999", "a number in row 1 has too many digits or too large an exponent"),
        ("1 1e-000099999999", "a number in row 1 has too many digits or too large an exponent"),
        ("1 1e9_99999999", "'1e9_99999999' in row 1 is not a number"),
        ("1 1e\u0669\u0669\u0669\u0669\u0669\u0669\u0669", "in row 1 is not a number"),
        ("1 1e40", "a number in row 1 is too large"),
        ("1/0", "'1/0' in row 1 is not a number"),
        ("1 2 | 3", "--kernel: channels of different sizes (1x2, 1x1)"),
        ("1 2 |", "--kernel: no numbers"),
    ],
)
def test_invalid_kernels_are_errors(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as error:
        kernels.parse_kernel(text)
    assert complaint in error.value.message


def test_impossible_convolutions_are_errors() -> None:
    image = numbers("1 2; 3 4")
    with pytest.raises(GeometryError, match="does not fit"):
        convolution.cross_correlate(image, kernels.parse_kernel("sobel-x").weights[0], WindowSettings())
    with pytest.raises(UsageError, match="is not a pooling"):
        windows.parse_pooling("mean:2")
    with pytest.raises(UsageError, match="neither valid nor same"):
        windows.parse_padding("wide", (3, 3), (1, 1), (False, False))
    with pytest.raises(UsageError, match="position 1,0 is outside the output of 1 row and 1 column"):
        convolution.explain_pooling(image, windows.parse_pooling("max:2"), (1, 0))
    with pytest.raises(InputError, match=r"cannot read nowhere\.csv"):
        kernels.read_volume(Path("nowhere.csv"))


def test_the_arithmetic_as_text() -> None:
    image = numbers(COURSE)
    assert convolution.explain_products(
        image, kernels.parse_kernel("high-pass").weights[0], WindowSettings(), (0, 0)
    ) == ("10*0 + 73*(-1) + 64*0 + 91*(-1) + 45*4 + 26*(-1) + 56*0 + 80*(-1) + 27*0", -90)
    assert (
        convolution.explain_pooling(image, windows.parse_pooling("avg:2"), (0, 1))
        == "avg(64, 12, 26, 14) = 29"
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Fraction(-90), "-90"),
        (Fraction(19, 4), "4.75"),
        (Fraction(-1, 8), "-0.125"),
        (Fraction(10, 3), "10/3"),
        (Fraction(0), "0"),
        (2.0, "2"),
        (-1.256, "-1.26"),
    ],
)
def test_numbers_are_printed_exactly(number: Any, text: str) -> None:
    assert kernels.number_text(number) == text
