"""Model folders on servers are copied once, and only as their card describes them."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnncli import remote
from cnncli.errors import ModelFolderError, ModelNotFoundError, UsageError
from cnncli.networks import remote_models
from cnncli.networks.reference import Reference
from cnncli.networks.remote_models import copy_model
from cnncli.prepare import prepare
from cnncli.records.progress import NullProgress
from tests.conftest import Cnncli
from tests.containers import png
from tests.remote_stores import stores

URL = "memory://b/models/flowers"


@pytest.fixture(autouse=True)
def model(colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A model folder on a server, and a machine without copies."""
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    with stores():
        for file in colours.iterdir():
            remote.write(f"{URL}/{file.name}", file.read_bytes(), overwrite=True)
        yield


def start_again() -> None:
    """As another process."""
    remote_models._known.clear()


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    start_again()
    yield
    start_again()


def test_it_predicts_as_the_original(cnncli: Cnncli, colours: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png("red"))
    there, here = (cnncli("predict", tmp_path / "a.png", "-m", model) for model in (f"{URL}/", colours))
    assert there.stdout == here.stdout
    assert there.stderr.startswith(f"copying {URL} (")
    start_again()
    assert cnncli("predict", tmp_path / "a.png", "-m", URL).stderr == ""


def test_it_is_copied_once_and_again_if_its_card_changes(
    colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = copy_model(URL)
    assert {file.name for file in first.iterdir()} == {file.name for file in colours.iterdir()}
    start_again()
    with monkeypatch.context() as patch:
        patch.setattr(remote, "open_stream", lambda _: pytest.fail("copied again"))
        assert copy_model(URL) == first
    card = json.loads((colours / "card.json").read_text())
    remote.write(f"{URL}/card.json", json.dumps(card, indent=3).encode(), overwrite=True)
    start_again()
    assert copy_model(URL) != first
    start_again()
    monkeypatch.setattr(remote, "read", lambda *_: pytest.fail("asked the server"))
    assert copy_model(URL, is_offline=True) != first


def test_the_images_of_its_run_come_with_it() -> None:
    remote.write(f"{URL}/splits.csv", b"path,label,split,bytes,digest,schema\n", overwrite=True)
    assert (copy_model(URL) / "splits.csv").exists()


def test_what_cannot_be_copied_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ModelNotFoundError, match=r"memory://b/none is not a model folder: it has no card\.json"
    ):
        prepare(Reference("memory://b/none/"), NullProgress())
    with pytest.raises(ModelNotFoundError, match="has not been copied to this machine"):
        prepare(Reference(URL), NullProgress(), is_offline=True)
    with pytest.raises(UsageError, match="is a finished model folder; --no-pretrained cannot change it"):
        Reference(URL, pretrained=False).find_folder()
    with pytest.raises(UsageError, match="no file system has the scheme nowhere://"):
        copy_model("nowhere://b/flowers")
    remote.write(f"{URL}/model.onnx", b"other", overwrite=True)
    with pytest.raises(ModelFolderError, match=r"model\.onnx is not the file that its card\.json describes"):
        copy_model(URL)
    assert not list(tmp_path.glob("home/copies-1/[!.]*"))


def test_a_card_names_only_files_of_a_model_folder(colours: Path) -> None:
    card = json.loads((colours / "card.json").read_text())
    card["files"][0]["name"] = "../../evil"
    remote.write(f"{URL}/card.json", json.dumps(card).encode(), overwrite=True)
    with pytest.raises(ModelFolderError, match="evil"):
        copy_model(URL)


def test_a_deleted_copy_is_copied_again() -> None:
    folder = copy_model(URL)
    shutil.rmtree(folder)
    start_again()
    assert copy_model(URL) == folder
    assert folder.exists()
