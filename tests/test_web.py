"""Downloads are complete, match their checksum, and resume after an interruption."""

import hashlib
import os
from pathlib import Path

import pytest

from cnncli.web import InterruptedDownloadError, download
from tests.hub_server import Hub, run_hub

CONTENT = os.urandom(300_000)
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


def test_an_interrupted_download_resumes(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "set.tgz"
    seen: list[int] = []
    with run_hub(Hub({"set.tgz": CONTENT}, "truncated")) as hub:
        with pytest.raises(InterruptedDownloadError):
            download(f"{hub.address}/set.tgz", file, MD5, seen.append)
        assert not file.exists()
        part = (tmp_path / "deep" / "set.tgz.part").stat().st_size
        assert 0 < part < len(CONTENT)
        hub.behaviour = "well"
        seen.clear()
        download(f"{hub.address}/set.tgz", file, MD5, seen.append)
    assert file.read_bytes() == CONTENT
    assert seen[0] == part
    assert sum(seen) == len(CONTENT)


def test_a_file_with_another_checksum_is_deleted(tmp_path: Path) -> None:
    with (
        run_hub(Hub({"set.tgz": CONTENT}, "corrupted")) as hub,
        pytest.raises(OSError, match="has the wrong MD5"),
    ):
        download(f"{hub.address}/set.tgz", tmp_path / "set.tgz", MD5)
    assert not list(tmp_path.iterdir())


def test_a_part_of_another_file_is_downloaded_again(tmp_path: Path) -> None:
    (tmp_path / "set.tgz.part").write_bytes(b"x" * (len(CONTENT) + 10))
    with run_hub(Hub({"set.tgz": CONTENT})) as hub, pytest.raises(OSError, match="wrong MD5"):
        download(f"{hub.address}/set.tgz", tmp_path / "set.tgz", MD5)
    with run_hub(Hub({"set.tgz": CONTENT})) as hub:
        download(f"{hub.address}/set.tgz", tmp_path / "set.tgz", MD5)
    assert (tmp_path / "set.tgz").read_bytes() == CONTENT


def test_missing_files_and_unreachable_servers_are_errors(tmp_path: Path) -> None:
    with run_hub(Hub({})) as hub, pytest.raises(OSError, match="answers 404"):
        download(f"{hub.address}/set.tgz", tmp_path / "set.tgz", MD5)
    with pytest.raises(OSError, match="cannot be reached"):
        download("http://127.0.0.1:9/set.tgz", tmp_path / "set.tgz", MD5)
