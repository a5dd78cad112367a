"""`cnncli relabel`: reviewed labels are applied to folders and lists, undone, and refused where they belong to other data."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from cnncli.data.layout import read
from tests.conftest import Cnncli

HEADER = "path,label,suggested,score\n"


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two splits of two classes, which have files of the same names; only names are read."""
    for name in (
        "train/cat/0.jpg",
        "train/cat/day/1.jpg",
        "train/dog/0.jpg",
        "val/cat/0.jpg",
        "val/dog/2.jpg",
    ):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    monkeypatch.chdir(tmp_path)
    return Path("photos")


def contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def review(*rows: str) -> Path:
    file = Path("issues.csv")
    file.write_text(HEADER + "".join(f"{row},0.1\n" for row in rows))
    return file


ROWS = (
    "train/cat/0.jpg,cat,dog",
    "train/dog/0.jpg,dog,cat",
    "train/cat/day/1.jpg,cat,dog",
    "val/cat/0.jpg,cat,",  # rejected by the person who reviewed it
)
MOVED: Mapping[str, str] = {
    "train/dog/0-2.jpg": "train/cat/0.jpg",
    "train/cat/0-2.jpg": "train/dog/0.jpg",
    "train/dog/day/1.jpg": "train/cat/day/1.jpg",
    "val/cat/0.jpg": "val/cat/0.jpg",
    "val/dog/2.jpg": "val/dog/2.jpg",
}


def test_images_of_a_folder_are_moved_only_with_apply_and_moved_back(cnncli: Cnncli, photos: Path) -> None:
    before, issues = contents(photos), review(*ROWS)
    shown = cnncli("relabel", issues, photos)
    assert (shown.exit_code, "3 labels would change; --apply changes them" in shown.stderr) == (0, True)
    assert "train/dog/day/1.jpg" in shown.stdout
    assert contents(photos) == before
    result = cnncli("relabel", issues, photos, "--apply", "-f", "json")
    document = json.loads(result.stdout)
    assert (document["applied"], document["written"]) == (True, "moves.jsonl"), result.stderr
    assert contents(photos) == MOVED
    assert read(photos).count() == [2, 3]
    again = cnncli("relabel", issues, photos, "--apply")
    assert (again.exit_code, "relabel --undo moves.jsonl" in again.stderr) == (1, True)
    undone = cnncli("relabel", "--undo", "moves.jsonl")
    assert (undone.exit_code, "3 of 3 images" in undone.stderr) == (0, True)
    assert contents(photos) == before
    assert not Path("moves.jsonl").exists()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(1, 20))])
def test_moves_of_a_killed_process_are_undone(
    cnncli: Cnncli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [f"{label}/{number}.jpg" for label in ("cat", "dog") for number in range(500)]
    for name in names:
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    before = contents(tmp_path / "photos")
    review(*(f"{name},{name[:3]},{'dog' if name.startswith('cat') else 'cat'}" for name in names))
    command = [sys.executable, "-m", "cnncli", "relabel", "issues.csv", "photos", "--apply", "-q"]
    moved = tmp_path / "photos" / f"dog/{random.Random(seed).randrange(500)}-2.jpg"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while not moved.exists() and process.poll() is None:
            time.sleep(0.0001)
        process.send_signal(signal.SIGKILL)
    assert process.returncode in {-signal.SIGKILL, 0}  # on a busy machine it may have ended
    assert {*contents(tmp_path / "photos").values()} == {*before.values()}  # one may have both names
    assert contents(tmp_path / "photos") != before
    assert cnncli("relabel", "--undo", "moves.jsonl").exit_code == 0
    assert contents(tmp_path / "photos") == before


@pytest.mark.parametrize(("ending", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_a_list_is_written_anew_beside_the_old_one(
    cnncli: Cnncli, photos: Path, ending: str, separator: str
) -> None:
    cells = [
        ("note", "path", "label"),
        ('says "hi", twice', "photos/train/cat/0.jpg", "cat"),
        ("", "photos/val/cat/0.jpg", "cat"),
        ("", "./photos/val/cat/0.jpg", " cat"),
        ("", "photos/train/dog/0.jpg", "dog"),
    ]
    quoted = [
        tuple(f'"{cell.replace(chr(34), chr(34) * 2)}"' if '"' in cell else cell for cell in row)
        for row in cells
    ]
    text = "\n".join(separator.join(row) for row in quoted) + "\n"
    file = photos.parent / f"list{ending}"
    file.write_text(text)
    issues = review("photos/val/cat/0.jpg,cat,dog")
    shown = cnncli("relabel", issues, file)
    new = Path(f"list-relabelled{ending}")
    assert (shown.exit_code, new.exists()) == (0, False), shown.stderr
    assert cnncli("relabel", issues, file, "--apply").exit_code == 0
    expected = text.replace(f"photos/val/cat/0.jpg{separator}cat", f"photos/val/cat/0.jpg{separator}dog")
    assert new.read_text() == expected.replace(f"{separator} cat", f"{separator}dog")
    assert file.read_text() == text
    assert read(new).count() == [1, 2]
    again = cnncli("relabel", issues, file, "--apply")
    assert (again.exit_code, "already exists" in again.stderr) == (1, True)
    elsewhere = cnncli("relabel", issues, file, "--apply", "-o", photos / f"new{ending}")
    assert (elsewhere.exit_code, "relative to another folder" in elsewhere.stderr) == (2, True)


def test_a_list_of_excel_keeps_its_encoding_and_line_ends(cnncli: Cnncli, photos: Path) -> None:
    text = "photo,kind\r\ntrain/cat/0.jpg,cat\r\nval/dog/2.jpg,dög\r\n"
    Path("list.csv").write_bytes(text.encode("utf-8-sig"))
    columns = ("--path-column", "photo", "--label-column", "kind", "--root", photos)
    result = cnncli("relabel", review("train/cat/0.jpg,cat,dög"), "list.csv", *columns, "--apply")
    assert result.exit_code == 0, result.stderr
    changed = text.replace(",cat", ",dög")
    assert Path("list-relabelled.csv").read_bytes() == changed.encode("utf-8-sig")
    other = cnncli("relabel", review("train/cat/0.jpg,cow,dög"), "list.csv", *columns, "-o", "new.csv")
    assert "train/cat/0.jpg has the label 'cat' in list.csv, and 'cow' in issues.csv" in other.stderr


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (["train/cow/0.jpg,cow,dog"], "lists 1 image that photos does not have, such as train/cow/0.jpg"),
        (
            ["train/cat/0.jpg,dog,cat"],
            "train/cat/0.jpg has the label 'cat' in photos, and 'dog' in issues.csv",
        ),
        (["train/cat/0.jpg,cat,dgo"], "issues.csv suggests 'dgo', which photos does not have"),
        (
            ["train/cat/0.jpg,cat,dog", "train/cat/0.jpg,cat,"],
            "lists train/cat/0.jpg twice, with other labels",
        ),
    ],
)
def test_files_for_other_data_are_refused(
    cnncli: Cnncli, photos: Path, rows: list[str], complaint: str
) -> None:
    before = contents(photos)
    result = cnncli("relabel", review(*rows), photos, "--apply")
    assert (result.exit_code, complaint in result.stderr) == (1, True), result.stderr
    assert (contents(photos), Path("moves.jsonl").exists()) == (before, False)


def test_other_mistakes_are_one_line_each(cnncli: Cnncli, photos: Path) -> None:
    issues = review()
    Path("no.csv").write_text("file,label\n")
    Path("list.csv").write_text("path,label\nphotos/train/cat/0.jpg,cat\nphotos/train/dog/0.jpg,dog\n")
    cases: list[tuple[list[object], int, str]] = [
        ([], 2, "ISSUES and DATA are missing"),
        ([issues], 2, "DATA is missing"),
        (["--undo", "moves.jsonl", "--apply"], 2, "--undo takes nothing else"),
        (["--undo", issues], 1, "is not a log of moved files"),
        (["nowhere.csv", photos], 1, "cannot read nowhere.csv"),
        ([photos, issues], 1, "cannot read photos: a folder, not a file"),
        ([issues, "nowhere"], 1, "nowhere does not exist"),
        ([issues, "nowhere.csv"], 1, "cannot read the list nowhere.csv: no such file"),
        (["no.csv", photos], 1, "no.csv has no column 'path' and no 'suggested'"),
        ([issues, photos, "-o", "x.csv"], 2, "--output is for lists"),
        ([issues, "list.csv", "-o", "x.tsv"], 2, "does not end in .csv"),
        ([issues, "s3://bucket/photos"], 2, "the labels of s3://bucket/photos cannot be changed"),
        ([issues, photos, "--apply"], 0, "nothing to change"),
    ]
    for arguments, code, complaint in cases:
        result = cnncli("relabel", *arguments)
        assert (result.exit_code, complaint in result.stderr) == (code, True), (arguments, result.stderr)
