"""`cnncli models`, `cnncli models rm`."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cnncli.networks import cache
from cnncli.networks.model_folder import open_folder
from tests.conftest import Cnncli, Imports


@pytest.fixture
def prepared(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    name = open_folder(tiny).card.name
    shutil.copytree(tiny, cache.folder_path(name))
    return name


def test_models_are_listed_as_a_table(cnncli: Cnncli) -> None:
    result = cnncli("models", "torchvision/resnet*")
    assert result.exit_code == 0
    head, *rows = result.stdout.splitlines()
    assert head.split() == [
        "name",
        "source",
        "classes",
        "params",
        "mult-adds",
        "input",
        "top-1",
        "top-5",
        "on",
        "disk",
    ]
    row = next(row for row in rows if "resnet50.IMAGENET1K_V2" in row)
    assert row.split() == [
        "torchvision/resnet50.IMAGENET1K_V2",
        "torchvision",
        "1,000",
        "25.6M",
        "4.09G",
        "224x224",
        "80.9",
        "95.4",
    ]
    assert "8 networks, 0 prepared" in result.stderr


def test_csv_and_json_agree(cnncli: Cnncli, prepared: str) -> None:
    rows = list(csv.DictReader(io.StringIO(cnncli("models", "test_", "-f", "csv").stdout)))
    objects = json.loads(cnncli("models", "test_", "-f", "json").stdout)
    assert len(rows) == len(objects) > 10
    for row, item in zip(rows, objects, strict=True):
        assert list(row) == list(item)
        assert row == {key: "" if value is None else str(value) for key, value in item.items()}
    (entry,) = [item for item in objects if item["prepared"]]
    assert entry["name"] == prepared
    assert entry["bytes"] > 1_000_000


def test_prepared_models_are_listed_and_removed(cnncli: Cnncli, prepared: str) -> None:
    listed = cnncli("models", "test", "--prepared", "--sort", "disk")
    assert listed.stdout.splitlines()[1].startswith(prepared)
    assert "1 network, 1 prepared; cache" in listed.stderr
    removed = cnncli("models", "rm", prepared)
    assert (removed.exit_code, removed.stdout) == (0, "")
    assert removed.stderr.startswith("deleted ")
    again = cnncli("models", "rm", "nothing", prepared)
    assert again.stderr.count("error: ") == 2
    again = cnncli("models", "rm", prepared)
    assert again.exit_code == 1
    assert f"no prepared network is called '{prepared}'" in again.stderr
    assert cnncli("models", "--prepared").stdout.count("pocket") == 1
    empty = cnncli("models", "test", "--prepared")
    assert empty.exit_code == 1
    assert "no prepared network matches 'test'" in empty.stderr


def test_an_empty_result_is_an_empty_list_in_json(
    cnncli: Cnncli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path))
    actual = cnncli("models", "test", "--prepared", "-f", "json")
    assert (actual.exit_code, actual.stdout) == (0, "[]\n")
    assert "no prepared network matches 'test'" in actual.stderr


def test_a_pattern_without_matches(cnncli: Cnncli) -> None:
    result = cnncli("models", "resnt50")
    assert result.exit_code == 1
    assert "no network matches 'resnt50'" in result.stderr
    assert "did you mean resnet50" in result.stderr


def test_listing_imports_neither_timm_nor_torchvision(imports: Imports) -> None:
    result, packages = imports("models", "alexnet")
    assert result.returncode == 0
    assert not packages & {"torch", "timm", "numpy", "PIL"}


def test_a_closed_pipe_ends_quietly() -> None:
    command = [sys.executable, "-m", "cnncli", "models"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"name ")
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 0
