"""`cnncli check`: words, JSON, a sheet, exit codes."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Cnncli, Imports


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draws = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        for number in range(6):
            file = tmp_path / "pets" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels = draws.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((80, 60), Image.Resampling.BICUBIC).save(file)
    return tmp_path / "pets"


def test_a_healthy_data_set_has_no_problems(cnncli: Cnncli, data: Path, imports: Imports) -> None:
    result = cnncli("check", data)
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "pets: 2 classes, 12 readable images (12 not split)\nsizes 80 x 60 to 80 x 60"
    )
    assert result.stdout.endswith("no problems found\n")
    _, packages = imports("check", data)
    assert not packages & {"torch", "onnxruntime", "sklearn", "matplotlib"}


def test_harmful_problems_set_the_exit_code(cnncli: Cnncli, data: Path) -> None:
    (data / "cats" / "broken.jpg").write_bytes(b"nothing")
    (data / "dogs" / "copy.png").write_bytes((data / "cats" / "3.png").read_bytes())
    (data / ".hidden").mkdir()
    result = cnncli("check", data)
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert "PROBLEM  1 of 14 images cannot be read" in lines
    assert "PROBLEM  1 set of identical images in several classes" in lines
    assert "         cats/3.png, dogs/copy.png" in lines
    assert any(line.startswith("note     ") and ".hidden is left out" in line for line in lines)
    assert lines[-1] == "2 problems found"
    document = json.loads(cnncli("check", data, "-f", "json").stdout)
    assert document["healthy"] is False
    assert [item["kind"] for item in document["findings"] if item["problem"]] == [
        "unreadable",
        "conflicting labels",
    ]
    assert document["classes"][0] == {"index": 0, "name": "cats", "images": {"not split": 6}}


def test_a_sheet_of_each_class(cnncli: Cnncli, data: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "pets.png"
    assert cnncli("check", data, "--sheet", sheet).exit_code == 0
    with Image.open(sheet) as image:
        colours = image.convert("RGB").getcolors(maxcolors=1 << 20) or []
        assert image.width > 6 * 96
        assert len(colours) > 1000
    over = cnncli("check", data, "--sheet", data / "cats" / "0.png", "--overwrite")
    assert (over.exit_code, "is one of the images" in over.stderr) == (2, True)
    among = cnncli("check", data, "--sheet", data / "cats" / "sheet.png")
    assert (among.exit_code, "would be inside the data folder" in among.stderr) == (1, True)
    other = cnncli("check", data, "--sheet", tmp_path / "a.xyz")
    assert (other.exit_code, "writes a PNG" in other.stderr) == (2, True)
    (data.parent / "list.csv").write_text("path,label\npets/cats/0.png,cat\npets/dogs/0.png,dog\n")
    beside = cnncli("check", data.parent / "list.csv", "--sheet", data.parent / "listed.png")
    assert beside.exit_code in {0, 3}, beside.stderr
    assert (data.parent / "listed.png").is_file()
    again = cnncli("check", data, "--sheet", sheet)
    assert (again.exit_code, "already exists" in again.stderr) == (1, True)


def test_data_without_readable_images(cnncli: Cnncli, data: Path, colours: Path) -> None:
    for file in data.rglob("*.png"):
        file.write_bytes(b"nothing")
    result = cnncli("finetune", data, "-m", colours, "--tune", "features", "-o", data.parent / "run")
    assert result.exit_code == 1
    assert "no validation image of " in result.stderr.splitlines()[-2]


def test_paths_that_are_not_data_sets_are_errors(cnncli: Cnncli, tmp_path: Path) -> None:
    result = cnncli("check", tmp_path / "nowhere")
    assert result.exit_code == 1
    assert "does not exist" in result.stderr


def test_tasks_and_labels_that_are_together(cnncli: Cnncli, data: Path) -> None:
    rows = [
        f"{name}/{number}.png,{habitat},{tags}"
        for name, habitat, tags in (("cats", "house", "fur|paw"), ("dogs", "", "fur"))
        for number in range(6)
    ]
    file = data / "list.csv"
    file.write_text("\n".join(["path,habitat,tags", *rows, "cats/5.png,house,fur|paw", "dogs/0.png,,fur\n"]))
    words = ["check", file, "--label-column", "habitat", "--multi-label", "tags"]
    result = cnncli(*words, "--sheet", data.parent / "sheet.png")
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert lines[0] == "list: 2 tasks, 3 classes, 12 readable images (12 not split)"
    assert lines[3:8] == [
        "   task     class  not split",
        "0  habitat  house          6",
        "1  tags     fur           12",
        "2  tags     paw            6",
        "",
    ]
    assert lines[8:11] == [
        "habitat: unknown for 6 images",
        "tags: 1.5 labels per image; 0 without a label; most often together: fur + paw (6)",
        "",
    ]
    assert "PROBLEM  there is only one class of 'habitat', house" in lines
    assert "PROBLEM  1 label of 'tags' on every training image: nothing can be learned" in lines
    document = json.loads(cnncli(*words, "-f", "json").stdout)
    assert document["classes"][2] == {"index": 2, "name": "paw", "task": "tags", "images": {"not split": 6}}
    assert document["tasks"][1] == {
        "name": "tags",
        "kind": "multi-label",
        "unknown": 0,
        "without_label": 0,
        "labels": 18,
        "co_occurrence": [{"labels": ["fur", "paw"], "images": 6}],
    }


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """Two splits of two classes; two images of val are altered images of train, one of them in another class."""
    draws = np.random.default_rng(0)
    for split, name, number in product(("train", "val"), ("cats", "dogs"), range(4)):
        file = tmp_path / "pets" / split / name / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = draws.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((80, 60), Image.Resampling.BICUBIC).save(file)
    pets = tmp_path / "pets"
    with Image.open(pets / "train" / "cats" / "1.png") as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(pets / "val" / "cats" / "3.png")
    with Image.open(pets / "train" / "cats" / "2.png") as image:
        image.crop((8, 4, 80, 60)).resize((50, 50)).save(pets / "val" / "dogs" / "0.png")
    return pets


def test_near_duplicates_in_several_splits_come_first(cnncli: Cnncli, leaking: Path) -> None:
    (leaking / "train" / "cats" / "broken.jpg").write_bytes(b"nothing")
    result = cnncli("check", leaking, "--near-duplicates")
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    (first,) = (number for number, line in enumerate(lines) if "nearly identical to images of train" in line)
    assert lines[first] == (
        "PROBLEM  2 of 8 val images nearly identical to images of train: val accuracy would be too high"
    )
    assert lines[first + 1].startswith("         val/cats/3.png, train/cats/1.png (1.000)")
    assert lines[first + 2].startswith("         val/dogs/0.png, train/cats/2.png (0.")
    assert "PROBLEM  1 of 17 images cannot be read" in lines[first + 3 :]
    assert "note     1 set of nearly identical images in several classes" in lines
    findings = json.loads(cnncli("check", leaking, "--near-duplicates", "-f", "json").stdout)["findings"]
    assert findings[0]["kind"] == "leakage"
    assert findings[0]["scores"] == sorted(findings[0]["scores"], reverse=True)
    assert len(findings[0]["scores"]) == len(findings[0]["examples"]) == 2


def test_identical_images_are_not_reported_twice(cnncli: Cnncli, leaking: Path) -> None:
    copy = (leaking / "train" / "dogs" / "1.png").read_bytes()
    (leaking / "val" / "dogs" / "1.png").write_bytes(copy)
    lines = cnncli("check", leaking, "--near-duplicates").stdout.splitlines()
    assert (
        "PROBLEM  2 of 8 val images nearly identical to images of train: val accuracy would be too high"
        in lines
    )
    assert sum("train/dogs/1.png" in line for line in lines) == 1


def test_a_model_without_a_use_is_an_error(cnncli: Cnncli, data: Path) -> None:
    result = cnncli("check", data, "-m", "pocket")
    assert result.exit_code == 2
    assert "--model: no effect without --label-errors or --near-duplicates" in result.stderr
