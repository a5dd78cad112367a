"""Drafts of killed processes are removed, and those of living ones are not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnncli.files import drafts
from cnncli.files.drafts import draft_path, remove_abandoned_drafts
from cnncli.files.whole import whole_folder, write_whole

KILLED = """
import os, sys
from pathlib import Path
from cnncli.files.whole import whole_file, whole_folder
file = Path(sys.argv[1])
with whole_file(file, overwrite=True) as draft, whole_folder(file.parent / "folder") as folder:
    draft.write_text("half")
    (folder / "one").touch()
    os._exit(9)
"""


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "x")], check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == 2
    write_whole(tmp_path / "other", b"", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_drafts_of_others_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, strange, link = draft_path(tmp_path / "x"), tmp_path / ".theirs.draft", tmp_path / "precious"
    own.touch()
    strange.touch()
    link.touch()
    with monkeypatch.context() as patch:
        patch.setattr(drafts, "_machine", lambda: "00000000")
        elsewhere = draft_path(tmp_path / "x")
    elsewhere.touch()
    with whole_folder(tmp_path / "new"):
        assert {own, strange, elsewhere} <= set(tmp_path.iterdir())
    for path in (own, strange, elsewhere):  # a day later
        os.utime(path, (0, 0))
    remove_abandoned_drafts(tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.name[0] == "."} == {own.name, strange.name}


def test_what_a_link_leads_to_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    monkeypatch.setattr(os, "getpid", lambda: 2**30)  # beyond the largest number of a process
    draft = draft_path(tmp_path / "x")
    draft.symlink_to(precious)
    remove_abandoned_drafts(tmp_path)
    assert not draft.is_symlink()
    assert (precious / "file").exists()
