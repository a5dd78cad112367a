"""`cnncli convolve` on the course's numbers and on a photograph."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, Cnncli, Imports, arrays_of

PHOTO = ROOT / "sample_images" / "lemon.jpg"
POOLED = "1 9 6 4; 5 4 7 8; 5 1 2 9; 6 7 6 0"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_matrix_gives_numbers(cnncli: Cnncli, folder: Path) -> None:
    assert cnncli("convolve", POOLED, "--pool", "avg:2").stdout == "4.75 6.25\n4.75 4.25\n"
    (folder / "m.csv").write_text("1,2,3\n4,5,6\n7,8,9\n")
    result = cnncli("convolve", "m.csv", "--kernel", "1/3 1/3", "--steps", "0,1", "--steps", "2,0")
    assert result.stdout.splitlines() == [
        "0,1: 2*(1/3) + 3*(1/3) = 5/3",
        "2,0: 7*(1/3) + 8*(1/3) = 5",
        *("1 5/3", "3 11/3", "5 17/3"),
    ]
    assert not list(folder.glob("*.png"))


def test_pooling_follows_the_kernel(cnncli: Cnncli) -> None:
    words = ("--kernel", "1 0; 0 1", "--padding", "1", "--pool", "max:2/1", "--steps", "all")
    lines = cnncli("convolve", POOLED, *words).stdout.splitlines()
    assert lines[1] == "0,1: max(9, 6, 5, 16) = 16"
    assert lines[16:] == ["9 16 16 14", "6 16 16 16", "12 12 16 16", "12 12 7 9"]


@pytest.mark.parametrize(
    ("more", "first", "rows"),
    [
        ([], 1 + 2 * 9 + 3 * 5 + 4 * 4, 3),
        (["--stride", "2"], 1 + 2 * 9 + 3 * 5 + 4 * 4, 2),
        (["--padding", "same", "--dilation", "2"], 4 * 4, 4),
        (["--padding", "2"], 0, 7),
        (["--dilation", "2"], 1 + 2 * 6 + 3 * 5 + 4 * 2, 2),
        (["--padding", "full"], 4, 5),
        (["--padding", "1x0", "--stride", "2x1"], 3 + 4 * 9, 3),
        (["--padding", "1", "--padding-mode", "reflect"], 4 + 2 * 5 + 3 * 9 + 4, 5),
        (["--dilation", "2x1"], 1 + 2 * 9 + 3 * 5 + 4 * 1, 2),
        (["--pool", "max:2x1/1"], 1 + 2 * 9 + 3 * 5 + 4 * 4, 2),
        (["--bias=-50", "--relu"], 0, 3),
        (["--flip"], 4 * 1 + 3 * 9 + 2 * 5 + 4, 3),
    ],
)
def test_stride_padding_dilation_and_flip(cnncli: Cnncli, more: list[str], first: int, rows: int) -> None:
    lines = cnncli("convolve", POOLED, "--kernel", "1 2; 3 4", *more).stdout.splitlines()
    assert lines[0].split()[0] == str(first)
    assert len(lines) == rows


def test_a_volume_and_a_kernel_with_a_part_for_each_channel(cnncli: Cnncli) -> None:
    volume, kernel = "1 2; 3 4 | 5 6; 7 8", "1 0; 0 1 | 0 1; 1 0"
    result = cnncli("convolve", volume, "--kernel", kernel, "--bias", "-20", "--relu", "--steps", "0,0")
    assert result.stdout.splitlines() == [
        "0,0: channel 1: 1*1 + 2*0 + 3*0 + 4*1 = 5",
        "     channel 2: 5*0 + 6*1 + 7*1 + 8*0 = 13",
        "     sum: 5 + 13 + (-20) (bias) = -2; ReLU: 0",
        "0",
    ]
    assert cnncli("convolve", volume, "--kernel", "1 1; 1 1").stdout == "10\n|\n26\n"
    assert cnncli("convolve", volume, "--kernel", "1 1; 1 1", "--sum").stdout == "36\n"
    Path("v.txt").write_text("1 2\n3 4\n|\n5 6\n7 8\n")
    assert cnncli("convolve", "v.txt", "--kernel", kernel).stdout == "18\n"


def test_a_single_row_is_a_signal_of_one_dimension(cnncli: Cnncli) -> None:
    assert cnncli("convolve", "1 2 3 4", "--kernel", "1 0 -1", "--padding", "1").stdout == "-2 -2 -2 3\n"
    assert cnncli("convolve", "1 2 3 4", "--pool", "max:2").stdout == "2 4\n"
    assert cnncli("convolve", "1; 2; 3", "--kernel", "1; 1", "--padding", "1").stdout == "1\n3\n5\n3\n"
    wide = cnncli("convolve", "1 2 3 4", "--kernel", "1 0 -1", "--padding", "1x1").stdout
    assert wide == "0 0 0 0\n-2 -2 -2 3\n0 0 0 0\n"


def test_a_photographs_channels_are_added(cnncli: Cnncli) -> None:
    words = ("--kernel", "sobel-x | sobel-x | laplacian", "-o", "s.npz", "--steps", "0,0")
    result = cnncli("convolve", PHOTO, *words)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split(":")[-2].strip() for line in lines] == ["red", "green", "blue", "sum"]
    values = arrays_of(Path("s.npz"))["1"]
    assert values.ndim == 2
    assert lines[-1].endswith(f" = {values[0, 0]:g}")


def test_same_padding_is_refused_for_even_kernels_as_in_blueprints(cnncli: Cnncli) -> None:
    reason = "`same` padding needs an odd kernel size, not 2: no equal padding of both sides keeps the size"
    result = cnncli("convolve", POOLED, "--kernel", "1 2; 3 4", "--padding", "same")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"--padding same: {reason}" in result.stderr
    result = cnncli("summary", "input 1x8x8; conv2-1 same; FC-2")
    assert result.exit_code == 1
    assert f"conv2-1 same: {reason}" in result.stderr


def test_matrices_may_start_with_a_minus_sign(cnncli: Cnncli) -> None:
    result = cnncli("convolve", "-1 2; 3 4", "--kernel", "-2 1")
    assert (result.exit_code, result.stdout) == (0, "4\n-2\n"), result.stderr
    assert cnncli("convolve", "-1", "--pool", "max:1").stdout == "-1\n"


def test_the_range_of_values_is_reported_if_a_kernel_changes_it(cnncli: Cnncli) -> None:
    assert cnncli("convolve", PHOTO, "--kernel", "1 1; 1 1", "-o", "b.npz").exit_code == 0
    actual = arrays_of(Path("b.npz"))
    assert actual["titles"][1].endswith(f"black is {actual['1'].min():.4g}, white {actual['1'].max():.4g}")


def test_an_image_on_standard_input(cnncli: Cnncli) -> None:
    result = cnncli("convolve", "-", "--kernel", "emboss", stdin=PHOTO.read_bytes())
    assert result.exit_code == 0, result.output
    assert Path("image-emboss.png").exists()


def test_a_photograph_is_convolved_without_torch(imports: Imports, folder: Path) -> None:
    result, packages = imports("convolve", PHOTO, "--kernel", "sobel-x", "--pool", "max:2")
    assert result.returncode == 0, result.stderr
    assert not packages & {"torch", "matplotlib", "onnxruntime"}
    with Image.open(folder / "lemon-sobel-x-max-2.png") as picture:
        assert picture.width == 1000


def test_npz_output_has_the_values_of_the_picture(cnncli: Cnncli) -> None:
    assert cnncli("convolve", PHOTO, "--kernel", "high-pass", "-o", "n.npz").exit_code == 0
    actual = arrays_of(Path("n.npz"))
    grey = np.asarray(Image.open(PHOTO).convert("L"), float)
    inner = grey[1:-1, 1:-1]
    expected = 4 * inner - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    np.testing.assert_array_equal(actual["1"], expected)
    assert cnncli("convolve", PHOTO, "--kernel", "box-blur", "-o", "c.npz").exit_code == 0
    assert arrays_of(Path("c.npz"))["1"].shape == (grey.shape[0] - 2, grey.shape[1] - 2, 3)


def test_steps_show_the_arithmetic_of_a_photograph(cnncli: Cnncli) -> None:
    red = np.asarray(Image.open(PHOTO))[:2, 0, 0]
    result = cnncli("convolve", PHOTO, "--kernel", "1/2; 1/2", "--steps", "0,0", "--ascii")
    first = result.stdout.splitlines()[0]
    assert first.startswith(f"red 0,0: {red[0]}*0.5 + {red[1]}*0.5 = ")
    assert len(result.stdout.splitlines()) > 10
    assert not list(Path().glob("*.png"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([POOLED], 2, "neither --kernel nor --pool"),
        (
            [POOLED, "--pool", "max:2", "--stride", "2", "--flip"],
            2,
            "--stride, --flip: no effect without --kernel",
        ),
        ([POOLED, "--pool", "max:2", "--sum", "--bias", "1"], 2, "--sum, --bias: no effect without --kernel"),
        ([POOLED, "--kernel", "1", "--sum"], 2, "--sum: no effect on a single channel"),
        (
            [POOLED, "--kernel", "1", "--padding-mode", "reflect"],
            2,
            "--padding-mode: no effect without padding",
        ),
        ([POOLED, "--kernel", "1 | 2 | 3"], 2, "the kernel has 3 parts, but the input 1 channel"),
        ([POOLED, "--kernel", "1", "--bias", "much"], 2, "--bias: 'much' is not a number"),
        ([POOLED, "--kernel", "1", "--stride", "0"], 2, "--stride '0' is neither a number from 1"),
        ([POOLED, "--kernel", "nothing"], 2, "known kernels: high-pass, sobel-x"),
        ([POOLED, "--pool", "max:5"], 1, "does not fit"),
        ([POOLED, "--pool", "max:2", "-o", "x.png"], 2, "--output: no effect on a matrix"),
        (
            [POOLED, "--pool", "max:2", "--steps", "5,5"],
            2,
            "position 5,5 is outside the output of 2 rows and 2 columns",
        ),
        ([POOLED, "--pool", "max:2", "--steps", "1"], 2, "--steps '1' is not of the form ROW,COLUMN"),
        ([POOLED, "--pool", ""], 2, "--pool is empty"),
        (["1,,2", "--pool", "max:1"], 2, "'' in row 1 is not a number"),
        ([" ".join(["1"] * 200) + "; 1", "--pool", "max:1"], 2, "the rows differ in length (200, 1 numbers)"),
        (["1 2; 3", "--pool", "max:2"], 2, "matrix: the rows differ in length (2, 1 numbers)"),
        (["nowhere.jpg", "--kernel", "emboss"], 1, "nowhere.jpg: no such file"),
        ([PHOTO, "--kernel", "emboss", "-o", "x.gif"], 2, "neither a .png nor an .npz"),
        ([PHOTO, "--kernel", "emboss", "-o", "none/x.png"], 1, "the folder none does not exist"),
        ([PHOTO, "--kernel", "emboss", "-o", "x.npz", "--show"], 2, ".npz, which holds numbers"),
    ],
)
def test_invalid_arguments_are_errors(
    cnncli: Cnncli, words: list[str | Path], code: int, message: str
) -> None:
    result = cnncli("convolve", *words)
    assert result.exit_code == code, result.output
    assert message in result.stderr


def test_an_existing_picture_is_not_overwritten(cnncli: Cnncli) -> None:
    Path("x.png").write_text("mine")
    words = ("convolve", PHOTO, "--kernel", "emboss", "-o", "x.png")
    assert cnncli(*words).exit_code == 1
    assert Path("x.png").read_text() == "mine"
    assert cnncli(*words, "--overwrite").exit_code == 0
