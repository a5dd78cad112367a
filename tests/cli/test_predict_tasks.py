"""`cnncli predict` with several labels per image, and with several tasks, on networks whose answers are known."""

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from cnncli.errors import OutputError
from cnncli.files.part_file import PartFile
from tests.conftest import Cnncli, some_slow
from tests.networks_for_tests import LABELS, write_colours

ONE, STRONG, EVEN = "0.964663", "0.982014", "0.500000"
"""softmax of (4, 0, 0); sigmoid of 4 and of 0."""

TRUE = (0x9A, 0xD1, 0xA4)
"""The colour of the bar of a true class on a sheet."""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A black image, a broken one, a red and a yellow one."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour in {"a": "black", "c": "red", "d": "yellow"}.items():
        Image.new("RGB", (9, 9), colour).save(folder / f"{name}.png")
    (folder / "b.png").write_bytes(b"no image")
    return folder


def without_folder(text: str, folder: Path) -> list[str]:
    return [line.replace(f"{folder}/", "") for line in text.splitlines()]


def test_several_labels(cnncli: Cnncli, colour_labels: Path, pictures: Path) -> None:
    result = cnncli("predict", pictures, "-m", colour_labels)
    assert result.exit_code == 3
    assert without_folder(result.stdout, pictures) == [
        "a.png\t\t",
        "b.png\t-\t",
        f"c.png\tred\t{STRONG}",
        f"d.png\tred|green\t{STRONG}|{STRONG}",
    ]
    rows = cnncli("predict", pictures, "-m", colour_labels, "-f", "csv").stdout
    assert without_folder(rows, pictures)[1] == "a.png,ok,0,,,,"
    objects = json.loads(cnncli("predict", pictures, "-m", colour_labels, "-f", "json").stdout)
    assert [[score["label"] for score in item.get("predictions", ())] for item in objects] == [
        [],
        [],
        ["red"],
        ["red", "green"],
    ]


def test_several_tasks(cnncli: Cnncli, colour_tasks: Path, pictures: Path) -> None:
    result = cnncli("predict", pictures, "-m", colour_tasks)
    assert without_folder(result.stdout, pictures) == [
        "a.png\tred\t0.333333\t\t",
        "b.png\t-\t\t-\t",
        f"c.png\tred\t{ONE}\twarm|red\t{STRONG}|{STRONG}",
        "d.png\tred\t0.495463\twarm\t0.999665",
    ]
    text = cnncli("predict", pictures, "-m", colour_tasks, "-f", "csv", "-k", "2").stdout
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["path"].endswith("c.png")]
    assert [(row["task"], row["rank"], row["index"], row["label"]) for row in rows] == [
        ("colour", "1", "0", "red"),
        ("colour", "2", "1", "green"),
        ("mood", "1", "0", "warm"),
        ("mood", "2", "1", "red"),
    ]
    (record,) = json.loads(
        cnncli("predict", pictures / "a.png", "-m", colour_tasks, "-f", "json", "-k", "1").stdout
    )
    red = {"rank": 1, "index": 0, "label": "red", "probability": 0.333333}
    assert record["tasks"] == {"colour": [red], "mood": []}


def test_a_block_per_task_in_a_table(cnncli: Cnncli, colour_tasks: Path, pictures: Path) -> None:
    text = cnncli("predict", pictures / "c.png", "-m", colour_tasks, "-f", "table", "-k", "1").stdout
    header, *rows = text.splitlines()
    assert header.split() == ["image", "task", "label", "probability"]
    words = [[word for word in row.split() if "█" not in word and "png" not in word] for row in rows]
    assert words == [
        ["colour", "red", "96.5", "%"],
        ["mood", "warm", "98.2", "%"],
        [],
    ]


def test_the_threshold_and_the_number_of_classes_can_be_set(
    cnncli: Cnncli, colour_labels: Path, colour_tasks: Path, pictures: Path
) -> None:
    def lines(*options: str | Path) -> list[str]:
        return without_folder(cnncli("predict", pictures / "c.png", *options).stdout, pictures)

    assert lines("-m", colour_labels, "-k", "2", "--threshold", "0") == [f"c.png\tred|green\t{STRONG}|{EVEN}"]
    assert lines("-m", colour_labels, "--threshold", "0.99") == ["c.png\t\t"]
    assert lines("-m", colour_tasks, "-k", "1") == [f"c.png\tred\t{ONE}\twarm\t{STRONG}"]
    assert lines("-m", colour_tasks, "--threshold", "0.97") == [
        f"c.png\tunknown\t{ONE}\twarm|red\t{STRONG}|{STRONG}"
    ]
    assert lines("-m", colour_tasks, "--label-style", "index") == [f"c.png\t0\t{ONE}\t0|1\t{STRONG}|{STRONG}"]


def test_each_image_and_its_mirror_image(cnncli: Cnncli, colour_tasks: Path, pictures: Path) -> None:
    usual = cnncli("predict", pictures, "-m", colour_tasks).stdout
    assert cnncli("predict", pictures, "-m", colour_tasks, "--tta").stdout == usual  # images of one colour


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl"])
@pytest.mark.parametrize("model", some_slow(["colour_labels", "colour_tasks"], ["colour_tasks"]))
def test_resume(
    cnncli: Cnncli, pictures: Path, tmp_path: Path, ending: str, model: str, request: pytest.FixtureRequest
) -> None:
    output, part = tmp_path / f"o.{ending}", tmp_path / f"o.{ending}.part"
    arguments = ("predict", pictures, "-m", request.getfixturevalue(model), "-o", output)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PartFile, "complete", lambda _: (_ for _ in ()).throw(OutputError("disk gone")))
        assert cnncli(*arguments).exit_code == 1
    whole, settings = part.read_bytes(), Path(f"{part}.json").read_text()
    for line in range(whole.count(b"\n") + 1):
        part.write_bytes(b"".join(whole.splitlines(keepends=True)[:line]) + b"torn")
        Path(f"{part}.json").write_text(settings)
        assert cnncli(*arguments, "--resume").exit_code == 3
        assert output.read_bytes() == whole
        output.unlink()


def test_the_number_of_classes_counts_only_those_that_reach_their_thresholds(
    cnncli: Cnncli, pictures: Path, tmp_path: Path
) -> None:
    task = dataclasses.replace(LABELS[0], thresholds=(0.99, 0.5, 0.1))
    model = write_colours(tmp_path / "strict", [task])
    result = cnncli("predict", pictures / "c.png", "-m", model, "-k", "1")
    assert without_folder(result.stdout, pictures) == [f"c.png\tgreen\t{EVEN}"]


def test_resume_refuses_other_thresholds(
    cnncli: Cnncli, colour_labels: Path, pictures: Path, tmp_path: Path
) -> None:
    output, model = tmp_path / "o.csv", tmp_path / "model"
    tasks = (dataclasses.replace(LABELS[0], thresholds=(0.1, 0.1, 0.1)),)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PartFile, "complete", lambda _: (_ for _ in ()).throw(OutputError("disk gone")))
        cnncli("predict", pictures, "-m", colour_labels, "-o", output)
    for options in (["-k", "3"], ["--threshold", "0"], ["-m", write_colours(model, tasks)]):
        result = cnncli("predict", pictures, "-m", colour_labels, "-o", output, "--resume", *options)
        assert (result.exit_code, "cannot resume" in result.stderr) == (1, True)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_joined_parts_are_the_file_of_a_single_run(
    cnncli: Cnncli, colour_tasks: Path, pictures: Path, tmp_path: Path, ending: str
) -> None:
    parts, joined, single = tmp_path / "parts", tmp_path / f"joined.{ending}", tmp_path / f"single.{ending}"
    arguments = ("predict", pictures, "-m", colour_tasks)
    assert cnncli(*arguments, "--parts", parts, "--part-size", "1", "-f", ending).exit_code == 3
    assert cnncli("join", parts, "-o", joined).exit_code == 0
    cnncli(*arguments, "-o", single)
    if ending == "parquet":
        pq = pytest.importorskip("pyarrow.parquet")
        assert pq.read_table(joined).equals(pq.read_table(single))
    else:
        assert joined.read_bytes() == single.read_bytes()


def test_a_sheet_marks_the_true_classes_of_each_task(
    cnncli: Cnncli, colour_tasks: Path, colour_labels: Path, pictures: Path, tmp_path: Path
) -> None:
    def sheet(model: Path, text: str) -> tuple[int, str]:
        (pictures / "list.csv").write_text(text)
        words = ("--sheet", tmp_path / "s.png", "--labels-from", pictures / "list.csv", "--overwrite")
        result = cnncli("predict", pictures / "c.png", "-m", model, *words)
        assert result.exit_code == 0, result.stderr
        with Image.open(tmp_path / "s.png") as picture:
            greens = {value: count for count, value in picture.getcolors(1 << 20) or []}.get(TRUE, 0)
        return greens, result.stderr.replace(str(tmp_path), "").removesuffix("saved /s.png\n")

    tasks = "path,colour,mood\nd.png,blue,cold|red\n"
    bar, said = sheet(colour_tasks, f"{tasks}c.png,red,?\n")
    assert (bar > 1000, said) == (True, "")
    assert sheet(colour_tasks, f"{tasks}c.png,red,warm|red\n")[0] > 2.5 * bar
    assert sheet(colour_tasks, f"{tasks}c.png,?,\n") == (0, "")
    greens, said = sheet(colour_labels, "path,labels\nc.png,red|purple\n")
    assert greens > 1000
    assert said == "warning: --labels-from has 1 label that colours does not know, e.g. 'purple'\n"


def test_a_list_without_the_tasks_of_a_network_is_refused(
    cnncli: Cnncli, colour_tasks: Path, pictures: Path, tmp_path: Path
) -> None:
    (pictures / "list.csv").write_text("path,label\nc.png,red\n")
    words = ("--sheet", tmp_path / "s.png", "--labels-from", pictures / "list.csv")
    result = cnncli("predict", pictures, "-m", colour_tasks, *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "has no column 'colour' and no 'mood'" in result.stderr
    assert "with the columns path, colour and mood" in result.stderr


def test_the_name_of_a_folder_is_no_true_class_of_a_task(
    cnncli: Cnncli, colour_tasks: Path, tmp_path: Path
) -> None:
    (tmp_path / "warm").mkdir()
    Image.new("RGB", (9, 9), "red").save(tmp_path / "warm" / "a.png")
    result = cnncli("predict", tmp_path / "warm", "-m", colour_tasks, "--sheet", tmp_path / "s.png")
    assert result.exit_code == 0, result.stderr
    with Image.open(tmp_path / "s.png") as picture:
        assert TRUE not in {value for _, value in picture.getcolors(1 << 20) or []}
