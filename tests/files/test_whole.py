"""Files and folders are there as a whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from cnncli.errors import OutputError
from cnncli.files import whole
from cnncli.files.drafts import DRAFT
from cnncli.files.whole import replace, restore_former, whole_file, whole_folder, write_whole


def test_a_file_appears_when_its_draft_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with whole_file(file, overwrite=False, sync=True) as draft:
        draft.write_text("new")
        assert not file.exists()
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_failure_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(KeyError), whole_file(file, overwrite=True) as draft:
        draft.write_text("half")
        raise KeyError
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_drafts_of_killed_processes_are_overwritten(tmp_path: Path) -> None:
    (tmp_path / f".a.txt{DRAFT}").write_text("a longer draft of a process that was killed")
    with whole_file(tmp_path / "a.txt", overwrite=True, alone=True) as draft:
        draft.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_draft_is_never_written_through_a_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    (tmp_path / f".a.txt{DRAFT}").symlink_to(precious)
    with whole_file(tmp_path / "a.txt", overwrite=True, alone=True) as draft:
        draft.write_text("new")
    assert precious.read_text() == "precious"
    assert not (tmp_path / "a.txt").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "precious.txt"]


@pytest.mark.parametrize("has_hard_links", [True, False])
def test_a_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_hard_links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not has_hard_links:
        monkeypatch.setattr(os, "link", refuse)
    file = tmp_path / "a.txt"
    with pytest.raises(OutputError, match="appeared while"), whole_file(file, overwrite=False) as draft:
        draft.write_text("new")
        file.write_text("of somebody else")
    assert file.read_text() == "of somebody else"
    assert list(tmp_path.iterdir()) == [file]
    file.unlink()
    write_whole(file, b"new", overwrite=False)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


def test_a_link_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to("nowhere")
    with pytest.raises(OutputError, match="already exists"):
        write_whole(tmp_path / "a.txt", b"new", overwrite=False)
    assert (tmp_path / "a.txt").is_symlink()
    assert len(list(tmp_path.iterdir())) == 1


def test_an_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*s\.png: No such file or directory"):
        write_whole(tmp_path / "none" / "s.png", b"", overwrite=False)


def test_a_folder_appears_when_its_draft_is_complete(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "deep" / "a") as draft:
        (draft / "one").touch()
        assert not (tmp_path / "deep" / "a").exists()
    assert [path.name for path in (tmp_path / "deep").rglob("*")] == ["a", "one"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_is_replaced_or_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, can_exchange: bool
) -> None:
    if not can_exchange:
        monkeypatch.setattr(whole, "_exchange", lambda *_: False)
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


def test_a_replacement_that_was_killed_halfway_is_put_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, draft = tmp_path / "a[1]", tmp_path / "draft"
    folder.mkdir()
    (folder / "old").touch()
    draft.mkdir()
    monkeypatch.setattr(whole, "_exchange", lambda *_: False)
    real = Path.rename
    with monkeypatch.context() as patch:

        def rename(path: Path, target: Path) -> Path:
            assert path == folder, "killed"
            return real(path, target)

        patch.setattr(Path, "rename", rename)
        patch.setattr(Path, "exists", lambda _: False)  # a killed process does not tidy up
        with pytest.raises(AssertionError, match="killed"):
            replace(draft, folder)
    assert not folder.exists()
    restore_former(folder)
    assert [path.name for path in folder.iterdir()] == ["old"]
    restore_former(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a[1]", "draft"]
