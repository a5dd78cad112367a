"""Names of folders and images are distinct on every file system."""

from pathlib import Path

import pytest

from cnncli.records.predictions import UNKNOWN
from cnncli.sorting.names import TargetFolder, folder_names


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("bell pepper", "bell pepper"),
        ("maillot, tank suit", "maillot, tank suit"),
        ("n/a", "n-a"),
        ("..", "-"),
        (".hidden", "hidden"),
        ("a\\b:c?", "a-b-c-"),
        ("con", "con-"),
        ("AUX.1", "AUX.1-"),
        (" ", "-"),
        ("x" * 300, "x" * 120),
        ("unknown", "unknown-2"),
    ],
)
def test_labels_become_valid_names(label: str, name: str) -> None:
    assert folder_names([label]) == {label: name}


def test_classes_that_differ_by_case_have_folders_of_their_own() -> None:
    names = folder_names(["Turkey", "turkey", "TURKEY", "é", "e\u0301", "Unknown"])
    assert list(names.values()) == ["Turkey", "turkey-2", "TURKEY-3", "é", "é-2", "Unknown-2"]
    assert UNKNOWN not in names.values()


def claim(folder: TargetFolder, name: str, *, is_same: bool = False) -> tuple[str, bool]:
    path, is_there = folder.claim(name, lambda _: is_same)
    return path.name, is_there


def test_images_with_the_same_name_get_numbers(tmp_path: Path) -> None:
    (tmp_path / "B.jpg").touch()
    folder = TargetFolder(tmp_path)
    names = [claim(folder, name)[0] for name in ("a.jpg", "A.JPG", "a.jpg", "b.jpg", "a-2.jpg", "a.tar.jpg")]
    assert names == ["a.jpg", "A-2.JPG", "a-3.jpg", "b-2.jpg", "a-2-2.jpg", "a.tar.jpg"]


def test_an_image_that_is_there_already_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "A.jpg").touch()
    folder = TargetFolder(tmp_path)
    assert claim(folder, "a.jpg", is_same=True) == ("A.jpg", True)
    assert claim(folder, "a.jpg", is_same=True) == ("a-2.jpg", False)
