"""Images are reported when they have arrived in a folder, and only when they are complete."""

import os
from pathlib import Path

import pytest

from cnncli.images import watch
from cnncli.images.watch import FolderWatch
from cnncli.records.progress import NullProgress


class Clock:
    """The time, which passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class Messages(NullProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def notice(self, message: str) -> None:
        self.lines.append(message)

    def warning(self, message: str) -> None:
        self.lines.append(f"warning: {message}")


class Watched:
    """A watched folder, which is listed once per second."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.messages = Clock(), Messages()
        monkeypatch.setattr(watch, "time", self.clock)
        self.folder = FolderWatch(str(folder))
        self.folder.start()
        monkeypatch.setattr(self.folder._is_over, "wait", self._wait)
        self._arrivals = self.folder.arrivals(self.messages)

    def _wait(self, seconds: float) -> None:
        self.clock.now += seconds

    def next(self, seconds: int = 1) -> list[str]:
        """Names of what arrives within so many seconds."""
        names: list[str] = []
        for _ in range(seconds):
            while (entry := next(self._arrivals)) is not None:
                names.append(Path(entry.path).name)
        return names


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "old.jpg").write_bytes(b"old")
    return Watched(tmp_path / "photos", monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "photos"


def test_new_images_are_reported_once(watched: Watched, folder: Path) -> None:
    assert watched.next(5) == []
    (folder / "new.jpg").write_bytes(b"new")
    (folder / "more").mkdir()
    (folder / "more" / "b.jpg").write_bytes(b"b")
    (folder / "notes.txt").write_text("no image")
    assert watched.next(2) == []
    assert watched.next(10) == ["new.jpg", "b.jpg"]
    (folder / "new.jpg").unlink()
    watched.next(2)
    (folder / "new.jpg").write_bytes(b"new")
    assert watched.next(5) == ["new.jpg"]


def test_an_image_that_grows_is_not_complete(watched: Watched, folder: Path) -> None:
    for size in range(5):
        (folder / "new.jpg").write_bytes(b"x" * size)
        assert watched.next() == []
    assert watched.next() == []
    assert watched.next() == ["new.jpg"]


def test_an_image_that_changes_is_reported_again(watched: Watched, folder: Path) -> None:
    (folder / "old.jpg").write_bytes(b"another image")
    assert watched.next(5) == ["old.jpg"]
    os.utime(folder / "old.jpg", (1, 1))
    assert watched.next(5) == ["old.jpg"]


def test_a_folder_that_disappears_is_waited_for(watched: Watched, folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    assert watched.next(10) == []
    assert watched.messages.lines == [
        f"warning: {folder}: No such file or directory; waiting for it to come back (Ctrl-C ends)"
    ]
    folder.with_name("elsewhere").rename(folder)
    (folder / "new.jpg").write_bytes(b"new")
    assert watched.next(5) == ["new.jpg"]
    assert watched.messages.lines[1:] == [f"{folder} is back"]


def test_a_link_in_a_circle_is_reported_once(watched: Watched, folder: Path) -> None:
    (folder / "loop").symlink_to(folder)
    assert watched.next(5) == ["loop"]


def test_stopping_ends_it(watched: Watched) -> None:
    watched.folder.stop()
    assert list(watched.folder.arrivals(watched.messages)) == []
