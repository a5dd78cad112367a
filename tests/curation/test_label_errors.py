"""`cnncli check --label-errors`: images under another class's name are found, listed, saved and drawn."""

import csv
import json
import shlex
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.curation.label_errors import require_comparable
from cnncli.data.layout import read
from cnncli.errors import DataError
from cnncli.records.list_columns import ListColumns
from tests.conftest import Cnncli

pytest.importorskip("cleanlab")

SWAPPED = {"red/6.png": "blue", "blue/2.png": "red"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two classes of seven images, two of which have the other's label, and a class of one image."""
    rng = np.random.default_rng(0)
    names = [f"{kind}/{number}.png" for kind in ("red", "blue") for number in range(7)]
    for name in (*names, "grey/0.png"):
        kind = SWAPPED.get(name, name.partition("/")[0])
        colour = {"red": (200, 60, 60), "blue": (60, 60, 200), "grey": (120, 120, 120)}[kind]
        pixels = np.clip(np.array(colour) + rng.normal(0, 40, (32, 32, 3)), 0, 255).astype(np.uint8)
        file = tmp_path / "shades" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    return tmp_path / "shades"


def test_wrong_labels_are_listed_saved_and_drawn(
    cnncli: Cnncli, data: Path, colours: Path, tmp_path: Path
) -> None:
    issues, sheet = tmp_path / "issues.csv", tmp_path / "issues.png"
    options = ("--label-errors", "-m", colours, "-o", issues, "--sheet", sheet)
    result = cnncli("check", data, *options, "-f", "json")
    found = json.loads(result.stdout)["label_errors"]
    assert (found["images"], found["estimate"]) == (14, 2), result.stderr
    assert found["remarks"] == ["not compared: 1 image of classes that have only one image"]
    assert {item["path"]: item["suggested"] for item in found["suggestions"]} == SWAPPED
    rows = list(csv.DictReader(issues.read_text().splitlines()))
    assert [list(row.values())[:3] for row in rows] == [
        [item["path"], item["label"], item["suggested"]] for item in found["suggestions"]
    ]
    assert [float(row["score"]) for row in rows] == sorted(float(row["score"]) for row in rows)
    with Image.open(sheet) as image:
        assert image.width > 2 * 240
    again = cnncli("check", data, *options)
    assert (again.exit_code, "already exists" in again.stderr) == (1, True)


def test_suggestions_alone_are_no_problem(cnncli: Cnncli, data: Path, colours: Path) -> None:
    (data / "grey" / "0.png").unlink()
    result = cnncli("check", data, "--label-errors", "-m", colours)
    assert result.exit_code == 0, result.stdout
    assert "label errors: about 2 of 14, by confident learning; 2 suggestions\n" in result.stdout
    assert "red/6.png   red    " in result.stdout


def test_options_without_effect_and_data_without_classes_are_errors(
    cnncli: Cnncli, data: Path, colours: Path, tmp_path: Path
) -> None:
    for options in (["-o", tmp_path / "x.csv"], ["-m", colours], ["--offline"]):
        result = cnncli("check", data, *options)
        assert (result.exit_code, "no effect without --label-errors" in result.stderr) == (2, True)
    result = cnncli("check", data, "--label-errors", "-o", tmp_path / "x.txt")
    assert (result.exit_code, "does not end in .csv" in result.stderr) == (2, True)
    (tmp_path / "list.csv").write_text("path,label,tags\nshades/red/0.png,a,x\nshades/red/1.png,b,x\n")
    for columns, complaint in (
        (ListColumns(), "fewer than two classes with two images each"),
        (ListColumns(multi_label=("tags",)), "has tasks or several labels per image"),
    ):
        with pytest.raises(DataError, match=complaint):
            require_comparable(read(tmp_path / "list.csv", columns))
    with pytest.raises(DataError, match="two classes with two groups each") as caught:
        require_comparable(read(tmp_path / "list.csv", ListColumns(group="tags")))
    assert caught.value.hint == "group by what differs more within a class"


def test_the_next_command_has_the_columns_of_the_list(cnncli: Cnncli, data: Path, colours: Path) -> None:
    file = data.parent / "my list.csv"
    images = sorted(data.glob("*/*.png"))
    rows = [f"{image.relative_to(data)},{image.parent.name}" for image in images]
    file.write_text("\n".join(["photo,kind", *rows]))
    options = ("--path-column", "photo", "--label-column", "kind", "--root", str(data))
    issues = data.parent / "issues.csv"
    result = cnncli("check", file, *options, "--label-errors", "-m", colours, "-o", issues)
    command = result.stderr.partition("then: cnncli ")[2].splitlines()[0]
    assert cnncli(*shlex.split(command), "--apply").exit_code == 0, result.stderr
    assert (data.parent / "my list-relabelled.csv").is_file()


def test_there_is_no_next_command_for_archives(cnncli: Cnncli, data: Path, colours: Path) -> None:
    with tarfile.open(data.parent / "data.tar", "w") as archive:
        for image in sorted(data.glob("[rb]*/*.png")):
            name = f"{image.parent.name}{image.stem}"
            archive.add(image, f"{name}.png")
            (data / "label.cls").write_text(image.parent.name)
            archive.add(data / "label.cls", f"{name}.cls")
    issues = data.parent / "issues.csv"
    result = cnncli("check", data.parent / "data.tar", "--label-errors", "-m", colours, "-o", issues)
    assert (issues.is_file(), "relabel" in result.stderr) == (True, False), result.stderr
