"""A lock is held by one process at a time, and leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from cnncli.files.lock import FileLock


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with FileLock(path), pytest.raises(BlockingIOError):
        FileLock(path)
    assert not list(tmp_path.iterdir())
    FileLock(path).release()


def test_the_end_of_a_process_releases_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    program = (
        "import os, sys; from pathlib import Path; from cnncli.files.lock import FileLock\n"
        "lock = FileLock(Path(sys.argv[1])); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == 9
    assert path.exists()
    FileLock(path).release()
    assert not path.exists()


def test_a_lock_whose_holder_has_just_deleted_it_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.lock"
    real = FileLock._is_current
    rounds = []

    def vanish_once(lock: FileLock) -> bool:
        rounds.append(lock)
        if len(rounds) == 1:
            path.unlink()
        return real(lock)

    monkeypatch.setattr(FileLock, "_is_current", vanish_once)
    with FileLock(path):
        assert path.exists()
    assert len(rounds) == 2


def test_a_lock_file_is_never_a_link_or_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "x.lock").symlink_to(tmp_path / "created")
    with pytest.raises(OSError, match="a link"):
        FileLock(tmp_path / "x.lock")
    assert not (tmp_path / "created").exists()


def test_a_system_without_locks(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['fcntl'] = None\n"
        "from pathlib import Path; from cnncli.files.lock import FileLock\n"
        "with FileLock(Path(sys.argv[1])): pass"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path / "x.lock")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert not list(tmp_path.iterdir())
