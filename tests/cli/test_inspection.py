"""`cnncli filters`, `maps`, `cam` and `receptive`, as they are typed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, Cnncli, arrays_of

PHOTO = ROOT / "sample_images" / "lemon.jpg"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "file"),
    [
        (["filters"], "pocket-filters.png"),
        (["filters", "pocket", "--layer", "residual1.body.conv1", "--top", "3", "--random"], None),
        (["maps", PHOTO], "lemon-pocket-maps.png"),
        (["maps", PHOTO, "--layer", "all"], "lemon-pocket-all-maps.png"),
        (["maps", PHOTO, "--shift", "4,0", "--palette", "grey"], "lemon-pocket-shift.png"),
        (["cam", PHOTO], "lemon-pocket-cam.png"),
        (["cam", PHOTO, "--class", "lemon", "--class", "n07747607", "--method", "layercam"], None),
        (["receptive", PHOTO, "--layer", "residual3"], "lemon-pocket-residual3-receptive.png"),
    ],
)
def test_each_command_saves_a_picture(
    cnncli: Cnncli, folder: Path, words: list[str | Path], file: str | None
) -> None:
    result = cnncli(*words, *([] if file else ["-o", "named.png"]))
    assert result.exit_code == 0, result.output
    with Image.open(folder / (file or "named.png")) as picture:
        assert picture.width == 1000
        assert picture.height > 150
    again = cnncli(*words, *([] if file else ["-o", "named.png"]))
    assert again.exit_code == 1
    assert "--overwrite replaces it" in again.stderr


def test_results_are_also_printed(cnncli: Cnncli) -> None:
    moved = cnncli("maps", PHOTO, "--shift", "2,0", "-o", "s.png").stdout.splitlines()
    assert moved[0].split("  ")[-2:] == ["difference", "units compared"]
    assert moved[1].split() == ["conv1", "40x40x40", "1,0", "0.0", "%", "interior"]
    assert moved[-1].endswith("all (every field reaches the border)")
    field = cnncli("receptive", PHOTO, "--layer", "conv1", "--unit", "10,3", "-o", "r.png").stdout
    assert field.startswith(
        "conv1, unit 10,3 of 40 x 40\n  theoretical field  3 x 3 pixels: rows 19 to 21, columns 5 to 7\n"
    )


def test_npz_output_has_the_values_of_the_pictures(cnncli: Cnncli) -> None:
    assert cnncli("cam", PHOTO, "--class", "lemon", "--class", "orange", "-o", "c.npz").exit_code == 0
    actual = arrays_of(Path("c.npz"))
    assert [title.split(",")[0] for title in actual["titles"]] == ["input", "lemon", "orange"]
    assert actual["1"].shape == (80, 80)
    assert (actual["1"] != actual["2"]).any()
    assert cnncli("maps", PHOTO, "--layer", "conv1", "--top", "40", "-o", "m.npz").exit_code == 0
    assert np.stack([arrays_of(Path("m.npz"))[str(number)] for number in range(1, 41)]).shape == (40, 40, 40)


@pytest.mark.slow
def test_blueprints_and_transformers_are_supported(cnncli: Cnncli) -> None:
    for words in (
        ["filters", "lenet5"],
        ["maps", PHOTO, "-m", "lenet5"],
        ["maps", PHOTO, "-m", "test_vit", "--layer", "all"],
        ["cam", PHOTO, "-m", "test_vit", "--class", "3"],
        ["receptive", PHOTO, "-m", "test_vit"],
    ):
        result = cnncli(*words, "--no-pretrained", "-o", "x.png", "--overwrite")
        assert result.exit_code == 0, result.output
        assert "random weights" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["filters", "--layer", "conv9"], "no layer is called 'conv9'"),
        (["maps", PHOTO, "--layer", "all", "--top", "4"], "--top applies to the maps of a single layer"),
        (["maps", PHOTO, "--shift", "4"], "--shift '4' is not of the form DX,DY"),
        (["maps", PHOTO, "--shift", "4,0", "--layer", "all"], "--shift draws a single layer"),
        (["maps", PHOTO, "--shift", "4,0", "--layer", "relu9"], "no layer is called 'relu9'"),
        (["maps", PHOTO, "--shift", "4,0", "--layer", "fc1"], "fc1 has no feature maps"),
        (["maps", ""], "the image path is empty"),
        (["cam", PHOTO, "--method", "eigencam", "--class", "lemon"], "--class has no effect"),
        (["cam", PHOTO, "--layer", "gap1"], "gap1 has no feature maps"),
        (["cam", PHOTO, "--class", "1000"], "has no class '1000'"),
        (["cam", PHOTO, "--class", "lemmon"], "did you mean lemon"),
        (["cam", PHOTO, "--layer", "fc1"], "fc1 has no feature maps"),
        (["receptive", PHOTO, "--unit", "3"], "--unit '3' is not of the form ROW,COLUMN"),
        (["receptive", PHOTO, "--unit", "99,0"], "unit 99,0 is outside the maps of 20 rows and 20 columns"),
    ],
)
def test_invalid_arguments_are_errors(
    cnncli: Cnncli, folder: Path, words: list[str | Path], message: str
) -> None:
    result = cnncli(*words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not list(folder.glob("*.png"))


def test_unreadable_images_are_errors(cnncli: Cnncli) -> None:
    result = cnncli("maps", "nowhere.jpg")
    assert result.exit_code == 1
    assert "nowhere.jpg: no such file" in result.stderr
