"""Places for parts: local folders and object stores behave alike, and files appear whole or not at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cnncli import remote
from cnncli.distribution.store import Store, open_store
from cnncli.errors import OutputError
from tests.remote_stores import stores


@pytest.fixture(params=["local", "memory", "unreliable"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(remote, "PAUSES", (0, 0, 0, 0))
    with stores():
        yield open_store(
            str(tmp_path / "parts") if request.param == "local" else f"{request.param}://bucket/parts"
        )


def test_files_are_written_created_once_and_listed(store: Store) -> None:
    assert store.names() == frozenset()
    assert store.create("a", b"first")
    assert not store.create("a", b"second")
    assert store.read("a") == b"first"
    store.write("a", b"third")
    assert store.read("a") == b"third"
    assert store.exists("a")
    assert not store.exists("b")
    assert store.names() == {"a"}


def test_a_long_file_is_written_piece_by_piece(store: Store) -> None:
    with store.open_new("list") as stream:
        stream.write(b"a\n")
        stream.write(b"b\n")
    assert store.read("list") == b"a\nb\n"


def test_a_file_that_is_not_finished_does_not_appear(store: Store) -> None:
    with pytest.raises(RuntimeError), store.open_new("list") as stream:
        stream.write(b"a\n")
        raise RuntimeError
    assert not store.names()


def test_a_file_that_is_not_there_is_one_line(store: Store) -> None:
    with pytest.raises(OutputError, match=r"cannot read .*parts/missing: [Nn]o such file"):
        store.read("missing")


def test_a_read_only_folder_is_one_line(unprivileged: Path) -> None:
    unprivileged.chmod(0o500)
    with pytest.raises(OutputError, match=r"cannot write .*: Permission denied"):
        open_store(str(unprivileged / "parts")).create("a", b"")


def test_a_model_folder_is_no_place_for_parts(colours: Path) -> None:
    with pytest.raises(OutputError, match="is a model folder"):
        open_store(str(colours))
