"""Moves are logged first: wherever a process is killed, each file is at one of its two places, and can be moved back."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cnncli.errors import InputError, OutputError
from cnncli.files.drafts import DRAFT
from cnncli.files.moves import Move, MoveLog, UndoSummary, new_log, undo_moves
from cnncli.files.transfer import move_file

NAMES = ("a.jpg", "b \udcff.jpg", "c.jpg", "d.jpg")


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three files of different content, one of them with a name that is not UTF-8, and a relative link to one of them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in NAMES[:3]:
        (folder / name).write_bytes(os.fsencode(name))
    (folder / "d.jpg").symlink_to("./a.jpg")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Path of each file below a folder but drafts, and its bytes; of a link, what it says."""
    return {
        str(path.relative_to(folder)): os.fsencode(os.readlink(path))
        if path.is_symlink()
        else path.read_bytes()
        for path in folder.rglob("*")
        if not path.is_dir() and path.suffix != DRAFT
    }


def plan(photos: Path, into: Path) -> list[Move]:
    into.mkdir(exist_ok=True)
    return [Move.plan(photos / name, into / f"new {name}") for name in NAMES]


def undo(log: Path) -> UndoSummary:
    return undo_moves(log, lambda: None)


def move_all(photos: Path, into: Path) -> Path:
    """Move all files in two steps; return the log."""
    planned = plan(photos, into)
    with MoveLog(new_log(into)) as log:
        log.move(planned[:2])
        log.move(planned[2:])
    return log.path


def test_files_are_moved_and_moved_back(photos: Path, tmp_path: Path) -> None:
    before, into = content(tmp_path), tmp_path / "into"
    log = move_all(photos, into)
    assert content(photos) == {}
    assert (into / "new d.jpg").is_symlink()
    summary = undo(log)
    assert (summary.restored, summary.kept) == (4, ())
    assert content(tmp_path) == before
    assert not into.exists()


def test_a_relative_link_still_leads_to_its_file(photos: Path, tmp_path: Path) -> None:
    with MoveLog(tmp_path / "log") as log:
        log.move([Move.plan(photos / "d.jpg", tmp_path / "d.jpg")])
    assert (tmp_path / "d.jpg").samefile(photos / "a.jpg")


STEPS = ("link", "unlink", "replace", "symlink", "fsync", "rename")


@pytest.fixture(params=["same disk", pytest.param("another disk", marks=pytest.mark.slow), "no hard links"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What moving a file meets."""
    link, replace = os.link, os.replace
    code = {"another disk": errno.EXDEV, "no hard links": errno.EPERM}.get(request.param)
    if code is None:
        return

    def refuse(call: Callable[..., None], *paths: Path) -> None:
        if code == errno.EPERM or Path(paths[0]).parent != Path(paths[1]).parent:
            raise OSError(code, os.strerror(code))
        call(*paths)

    monkeypatch.setattr(os, "link", lambda *paths, **_: refuse(link, *paths))
    if code == errno.EXDEV:
        monkeypatch.setattr(os, "replace", lambda *paths, **_: refuse(replace, *paths))


@contextlib.contextmanager
def killed_at(step: int) -> Iterator[None]:
    """End the process before the step of this number: of linking, renaming, deleting or synchronising a file."""
    left = step

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def checked(*arguments: object, **options: object) -> object:
            nonlocal left
            if not left:
                raise Killed
            left -= 1
            return call(*arguments, **options)

        return checked

    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(os, "fsync", lambda _: None)  # a disk takes its time
        for name in STEPS:
            patch.setattr(os, name, counted(getattr(os, name)))
        yield


@pytest.mark.usefixtures("disk")
def test_killed_at_any_step_nothing_is_lost(photos: Path, tmp_path: Path) -> None:
    before, into = content(photos), tmp_path / "into"
    log = into / "moves.jsonl"
    for step in range(100):
        done: list[Path] = []
        with killed_at(step):
            done.append(move_all(photos, into))
        after = {value for folder in (photos, into) for value in content(folder).values()}
        assert after.issuperset(value for name, value in before.items() if name != "d.jpg")
        if log.exists() and len(log.read_bytes().splitlines()) > 1:
            with killed_at(step % 7):
                undo(log)
            assert not log.exists() or undo(log).kept == ()
        log.unlink(missing_ok=True)
        assert content(photos) == before
        if done:
            break
    assert 10 < step < 99


@pytest.mark.usefixtures("disk")
@pytest.mark.parametrize("name", ["a.jpg", "link.jpg"])
def test_a_file_that_cannot_be_deleted_is_not_left_twice(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a card that is locked."""
    (tmp_path / "a.jpg").write_bytes(b"a")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    (tmp_path / "into").mkdir()
    for call in ("unlink", "replace"):

        def refuse(
            path: Path, *others: Any, original: Callable[..., None] = getattr(os, call), **options: Any
        ) -> None:
            if Path(path).parent == tmp_path:
                raise OSError(errno.EROFS, "Read-only file system")
            original(path, *others, **options)

        monkeypatch.setattr(os, call, refuse)
    with pytest.raises(OSError, match="Read-only"):
        move_file(tmp_path / name, tmp_path / "into" / name)
    assert list((tmp_path / "into").iterdir()) == []
    assert (tmp_path / name).read_bytes() == b"a"


def test_a_move_never_replaces_a_file(photos: Path, tmp_path: Path) -> None:
    planned = plan(photos, tmp_path / "into")
    (tmp_path / "into" / "new b \udcff.jpg").write_text("precious")
    before = content(tmp_path)
    with MoveLog(tmp_path / "log") as log, pytest.raises(OutputError, match="File exists"):
        log.move(planned)
    assert (tmp_path / "into" / "new b \udcff.jpg").read_text() == "precious"
    assert undo(log.path).restored == 3
    assert content(tmp_path) == before | {"log": log.path.read_bytes()}


def test_files_that_changed_since_are_left_alone(photos: Path, tmp_path: Path) -> None:
    log = move_all(photos, tmp_path / "into")
    (tmp_path / "into" / "new a.jpg").write_text("edited")
    (photos / "c.jpg").write_text("a new photo")
    (tmp_path / "into" / "new b \udcff.jpg").unlink()
    summary = undo(log)
    assert summary.restored == 1
    assert [(Path(move.source).name, reason.partition(";")[0]) for move, reason in summary.kept] == [
        ("a.jpg", f"{tmp_path}/into/new a.jpg has changed since it was moved"),
        ("b \udcff.jpg", f"it is neither there nor at {tmp_path}/into/new b \udcff.jpg"),
        ("c.jpg", "another file has this name"),
    ]
    assert (tmp_path / "into" / "new a.jpg").read_text() == "edited"
    assert (photos / "c.jpg").read_text() == "a new photo"
    assert log.exists()


def test_undoing_twice_is_an_error(photos: Path, tmp_path: Path) -> None:
    log = move_all(photos, tmp_path / "into")
    undo(log)
    with pytest.raises(InputError, match=r"cannot read the log .*: No such file"):
        undo(log)


def test_a_folder_that_was_deleted_comes_back(photos: Path, tmp_path: Path) -> None:
    before = content(photos)
    log = move_all(photos, tmp_path / "into")
    photos.rmdir()
    undo(log)
    assert content(photos) == before


HEADER = '{"schema": 1, "content": "moves"}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a log of moved files"),
        ("path,label\n", "is not a log of moved files"),
        ("[1]\n", "is not a log of moved files"),
        ('{"schema": 2, "content": "moves"}\n', "its schema number is 2, and this cnncli reads up to 1"),
        (HEADER, "has no moves"),
        (HEADER + '{"source": "/a", "tar', "has no moves"),
        (HEADER + '{"source": "/a"}\n', "is damaged in line 2"),
        (HEADER + '{"source": "/a", "target": 5}\n', "is damaged in line 2"),
        (HEADER + '{"source": "/a", "target": "/b", "mode": 5}\n', "is damaged in line 2"),
        (
            HEADER + '{"source": "/no/a", "target": "/no/b"}\n',
            "no file in .* is where it says, such as /no/b",
        ),
    ],
)
def test_what_is_no_log_is_said(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "log").write_text(text)
    with pytest.raises(InputError, match=message):
        undo(tmp_path / "log")
    assert (tmp_path / "log").read_text() == text


def test_logs_are_numbered(tmp_path: Path) -> None:
    assert new_log(tmp_path).name == "moves.jsonl"
    (tmp_path / "moves.jsonl").touch()
    assert new_log(tmp_path).name == "moves-2.jsonl"


def test_a_log_without_a_move_is_deleted(tmp_path: Path) -> None:
    with MoveLog(tmp_path / "log"):
        assert (tmp_path / "log").exists()
    assert not (tmp_path / "log").exists()
