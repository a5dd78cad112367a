"""Nobody ever sees half a model folder, and a damaged one is never used."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnncli.errors import ModelFolderError, OutputError
from cnncli.networks import model_folder
from cnncli.networks.model_folder import (
    GRAPH,
    WEIGHTS,
    draft_folder,
    is_model_folder,
    open_folder,
    seal,
    verify,
)
from cnncli.records.networks import CARD
from tests.networks_for_tests import colour_card, write_colours


@pytest.fixture
def folder(colours: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(colours, tmp_path / "copy"))


def test_a_complete_folder_opens_and_verifies(folder: Path) -> None:
    opened = open_folder(folder)
    assert opened.card.class_names == ("red", "green", "blue")
    assert opened.graph == folder / GRAPH
    assert {facts.name for facts in opened.card.files} == {GRAPH, WEIGHTS}
    verify(opened)


@pytest.mark.parametrize("name", [GRAPH, WEIGHTS])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelFolderError, match=f"cannot read .*{name}"):
        open_folder(folder)


def test_a_truncated_file(folder: Path) -> None:
    with (folder / GRAPH).open("ab") as stream:
        stream.truncate(100)
    with pytest.raises(ModelFolderError, match="has 100 bytes instead of"):
        open_folder(folder)


def test_a_changed_file_is_found_by_its_digest(folder: Path) -> None:
    data = bytearray((folder / GRAPH).read_bytes())
    data[-1] ^= 1
    (folder / GRAPH).write_bytes(data)
    with pytest.raises(ModelFolderError, match="has changed: its SHA-256 is wrong"):
        verify(open_folder(folder))


def test_files_are_compared_once_and_again_when_they_change(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(
        "CNNCLI_HOME", str(tmp_path / "home")
    )  # the session's may know an inode that is used again
    compared: list[str] = []
    sha256 = model_folder.sha256

    def spy(file: Path) -> str:
        compared.append(file.name)
        return sha256(file)

    monkeypatch.setattr(model_folder, "sha256", spy)
    open_folder(folder)
    assert sorted(compared) == [GRAPH, WEIGHTS]
    moved = folder.rename(folder.with_name("moved"))
    open_folder(moved)
    assert len(compared) == 2
    content, status = bytearray((moved / WEIGHTS).read_bytes()), (moved / WEIGHTS).stat()
    content[-1] ^= 1
    (moved / WEIGHTS).write_bytes(content)
    os.utime(moved / WEIGHTS, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    for _ in range(2):
        with pytest.raises(ModelFolderError, match="has changed"):
            open_folder(moved)
    monkeypatch.setenv("CNNCLI_HOME", str(moved / "card.json" / "not a folder"))
    (moved / WEIGHTS).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    open_folder(moved)


def test_a_folder_that_was_just_written_is_not_compared_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_colours(tmp_path / "net")
    monkeypatch.setattr(model_folder, "sha256", None)
    open_folder(tmp_path / "net")


@pytest.mark.parametrize("name", ["model.onnx\0", "../model.onnx", "/etc/passwd", "other"])
def test_a_card_that_lists_other_files(folder: Path, name: str) -> None:
    card = json.loads((folder / CARD).read_text())
    card["files"].append({"name": name, "bytes": 1, "sha256": ""})
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelFolderError, match="which is not part of a model folder"):
        open_folder(folder)


def test_a_card_that_lacks_a_file(folder: Path) -> None:
    card = folder / CARD
    card.write_text(card.read_text().replace("model.onnx", "other.onnx"))
    shutil.copy(folder / GRAPH, folder / "other.onnx")
    with pytest.raises(ModelFolderError, match=r"does not list model\.onnx"):
        open_folder(folder)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="is not a model folder"):
        open_folder(tmp_path)


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), draft_folder(tmp_path / "net") as draft:
        (draft / "model.onnx").write_bytes(b"half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_has_the_usual_permissions(colours: Path) -> None:
    assert {oct(path.stat().st_mode & 0o044) for path in colours.iterdir()} == {"0o44"}


def test_a_folder_that_lost_its_card_is_replaced(colours: Path, tmp_path: Path) -> None:
    target = Path(shutil.copytree(colours, tmp_path / "net"))
    (target / CARD).unlink()
    verify(open_folder(write_colours(target)))


def test_an_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match="cannot write a model folder"),
        draft_folder(tmp_path / "file" / "net"),
    ):
        pass


def test_the_slower_of_two_writers_keeps_the_first_folder(tmp_path: Path) -> None:
    target = tmp_path / "net"
    with draft_folder(target) as draft:
        (draft / "mine").touch()
        seal(draft, colour_card())
        write_colours(target)
    assert not (target / "mine").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    verify(open_folder(target))


def _write_many(target: str, count: int) -> None:
    for _ in range(count):
        write_colours(Path(target))


@pytest.mark.slow
def test_a_reader_never_sees_half_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "net"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(str(target), 20)) for _ in range(2)]
    for writer in writers:
        writer.start()
    seen = 0
    while any(writer.is_alive() for writer in writers):
        if target.exists():
            verify(open_folder(target))
            seen += 1
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert seen
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_a_writer_that_is_killed_leaves_no_folder(tmp_path: Path) -> None:
    program = (
        "import time\nfrom pathlib import Path\nfrom cnncli.networks.model_folder import draft_folder\n"
        f"with draft_folder(Path({str(tmp_path / 'net')!r})) as draft:\n"
        "    (draft / 'card.json').write_text('{}')\n    print('written', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        writer.stdout.readline()
        writer.kill()
    time.sleep(0.05)
    assert not is_model_folder(tmp_path / "net")
