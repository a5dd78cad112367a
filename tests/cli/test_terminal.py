"""Names that hold escape sequences reach no terminal as they are, wherever they come from."""

import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from cnncli.cli import console
from tests.conftest import Cnncli

pytestmark = pytest.mark.skipif(os.name != "posix", reason="names cannot hold control characters elsewhere")

EVIL = "\x1b]0;owned\x07\x9b31m"


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "is_terminal", lambda stream: stream is sys.stdout)


def rename(network: Path, source: Path) -> None:
    """A copy of a model folder, whose own name and whose first class are hostile."""
    shutil.copytree(source, network)
    card = json.loads((network / "card.json").read_text())
    card["name"] = f"net{EVIL}\nworks well"
    card["class_names"][0] = f"red{EVIL}"
    (network / "card.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("command", "name"),
    [("predict", name) for name in ("tsv", "csv", "jsonl", "json", "table")]
    + [("evaluate", name) for name in ("csv", "json", "table")],
)
def test_names_of_files_and_classes(
    cnncli: Cnncli, tmp_path: Path, colours: Path, command: str, name: str
) -> None:
    rename(tmp_path / "net", colours)
    folder = tmp_path / "data" / f"red{EVIL}"
    folder.mkdir(parents=True)
    Image.new("RGB", (20, 10), "red").save(folder / f"a{EVIL}.png")
    result = cnncli(command, tmp_path / "data", "-m", tmp_path / "net", "-f", name)
    assert "red" in result.stdout, result.stderr
    assert not {"\x1b", "\x07", "\x9b"} & set(result.output)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table", "csv", "json", "markdown"])
def test_the_name_of_a_summarised_network(cnncli: Cnncli, tmp_path: Path, tiny: Path, name: str) -> None:
    rename(tmp_path / "net", tiny)
    result = cnncli("summary", tmp_path / "net", "-f", name)
    assert "net" in result.stdout
    assert not {"\x1b", "\x07", "\x9b"} & set(result.output)
    if name in {"table", "markdown"}:
        assert "\nworks" not in result.stdout


def test_pictures_keep_their_escape_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    console.write_data("\x1b[31m", is_styled=True)
    console.write_data("\x1b[31m")
    assert stream.getvalue() == "\x1b[31m\\u001b[31m"
