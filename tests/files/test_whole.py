"""Files and folders are there as a whole or not at all."""

from pathlib import Path

import pytest

from cnncli.errors import OutputError
from cnncli.files.whole import DRAFT, replace, whole_file, whole_folder, write_whole


def test_a_file_appears_when_its_draft_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with whole_file(file, sync=True) as draft:
        draft.write_text("new")
        assert not file.exists()
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_failure_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(KeyError), whole_file(file) as draft:
        draft.write_text("half")
        raise KeyError
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_drafts_of_killed_processes_are_overwritten(tmp_path: Path) -> None:
    (tmp_path / f".a.txt{DRAFT}").write_text("a longer draft of a process that was killed")
    with whole_file(tmp_path / "a.txt", alone=True) as draft:
        draft.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "new"


def test_an_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*s\.png: No such file or directory"):
        write_whole(tmp_path / "none" / "s.png", b"")


def test_a_folder_appears_when_its_draft_is_complete(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "deep" / "a") as draft:
        (draft / "one").touch()
        assert not (tmp_path / "deep" / "a").exists()
    assert [path.name for path in (tmp_path / "deep").rglob("*")] == ["a", "one"]


def test_a_folder_is_replaced_or_stays(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    with whole_folder(folder) as draft:
        (draft / "old").touch()
    with pytest.raises(OSError, match="not empty"), whole_folder(folder) as draft:
        (draft / "new").touch()
    assert [path.name for path in folder.iterdir()] == ["old"]
    with whole_folder(folder, replace) as draft:
        (draft / "new").touch()
    assert [path.name for path in folder.iterdir()] == ["new"]
    with pytest.raises(KeyError), whole_folder(folder, replace) as draft:
        (draft / "newer").touch()
        raise KeyError
    with pytest.raises(FileNotFoundError):
        replace(tmp_path / "no draft", folder)
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]
