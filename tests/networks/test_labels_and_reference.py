"""Class names from files, and what a user's options mean together."""

import dataclasses
import os
import shutil
from pathlib import Path

import pytest

from cnncli.errors import ModelNotFoundError, UsageError, WeightsError
from cnncli.networks import cache, pocket
from cnncli.networks.card import SCHEMA
from cnncli.networks.labels import labels, read_labels
from cnncli.networks.prepared import warn_hidden_folder
from cnncli.networks.reference import Reference
from cnncli.records.predictions import LabelStyle
from cnncli.records.progress import NullProgress
from tests.networks_for_tests import colour_card, write_colours


class Listener(NullProgress):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, message: str) -> None:
        self.warnings.append(message)


def test_labels_files_have_one_name_per_line(tmp_path: Path) -> None:
    file = tmp_path / "names"
    file.write_bytes("\ufeffcat\r\nnoisy dog \n\nこねこ\n".encode())
    assert read_labels(file) == ("cat", "noisy dog", "こねこ")
    file.write_bytes("cat\r\nこねこ\r\n".encode("utf-16"))
    assert read_labels(file) == ("cat", "こねこ")


@pytest.mark.parametrize(("data", "message"), [(b"", "is empty"), (b"\xff\xfa", "not UTF-8")])
def test_labels_files_without_names_are_errors(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "names").write_bytes(data)
    with pytest.raises(WeightsError, match=message):
        read_labels(tmp_path / "names")
    with pytest.raises(WeightsError, match="cannot read"):
        read_labels(tmp_path / "none")


def test_styles() -> None:
    card = dataclasses.replace(colour_card(), synsets=("n1", "n2", "n3"))
    assert labels(card, LabelStyle.NAME) == ("red", "green", "blue")
    assert labels(card, LabelStyle.SYNSET) == ("n1", "n2", "n3")
    assert labels(card, LabelStyle.INDEX) == ["0", "1", "2"]
    with pytest.raises(UsageError, match="no WordNet synsets"):
        labels(colour_card(), LabelStyle.SYNSET)


@pytest.mark.parametrize("name", ["pocket", "resnet18", "alexnet", "lenet5", "prepared"])
def test_the_name_of_a_known_network_wins_over_a_folder(
    name: str, colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    shutil.copytree(colours, cache.folder_path("prepared"))
    shutil.copytree(colours, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    listener = Listener()
    assert Reference(name).find_folder() == (pocket.FOLDER if name == "pocket" else None)
    warn_hidden_folder(Reference(name), listener)
    assert listener.warnings == [
        f"{name} is the network of that name, not the folder {name}; -m ./{name} is the folder"
    ]
    assert Reference(f"./{name}").find_folder() == Path(name)
    warn_hidden_folder(Reference(f"./{name}"), listener)
    assert len(listener.warnings) == 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("timm/resnet18.a1_in1k", "-m hf-hub:timm/resnet18.a1_in1k"),
        ("google/vit-base-patch16-224", "-m hf-hub:google/vit-base-patch16-224"),
        ("runs/flowers", None),
        ("./timm/resnet18", None),
        ("here/flowers", None),
    ],
)
def test_a_repository_on_the_hub_without_its_prefix(
    name: str, hint: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelNotFoundError) as caught:
        Reference(name).find_folder()
    assert caught.value.hint == (hint and f"if you mean the repository on the Hugging Face Hub: {hint}")


def test_a_path_of_a_model_folder(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Reference(str(colours)).find_folder() == colours
    monkeypatch.chdir(colours.parent)
    assert Reference("colours").find_folder() == Path("colours")
    assert Reference("resnet50").find_folder() is None
    assert Reference("torchvision/resnet50").find_folder() is None
    assert Reference("./colours").find_folder() == Path("colours")
    for name in (
        "./resnet50",
        "runs/flowers",
        "runs/",
        "~/none",
        "~nobody-here/x",
        str(colours.parent),
        "/" + "x" * 300,
    ):
        with pytest.raises(ModelNotFoundError, match="is not a model folder"):
            Reference(name).find_folder()


def test_a_misspelt_folder_name_gets_a_suggestion(colours: Path) -> None:
    with pytest.raises(ModelNotFoundError) as error:
        Reference(f"{colours}s").find_folder()
    assert error.value.hint == f"did you mean {colours}?"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("net.xml", "for another runtime"),
        ("net.pkl", "fastai"),
        ("net.pt", "yolo export model="),
        ("net", "--weights"),
    ],
)
def test_a_file_of_another_program_says_what_to_do(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ModelNotFoundError, match="is a file, not a model folder") as error:
        Reference(str(tmp_path / name)).find_folder()
    assert hint in str(error.value.hint)


def test_a_finished_folder_cannot_be_changed(colours: Path) -> None:
    with pytest.raises(UsageError, match="--weights, --img-size cannot change it"):
        Reference(str(colours), weights=Path("w"), image_size=(8, 8)).find_folder()


def test_contradictory_options_are_errors() -> None:
    with pytest.raises(UsageError, match="contradict"):
        Reference("resnet50", weights=Path("w"), pretrained=False)


def test_the_cache_key_depends_on_everything_that_changes_the_network(tmp_path: Path) -> None:
    file = tmp_path / "w"
    file.write_bytes(b"1")
    key = Reference("resnet50", file).key()
    assert key == Reference("resnet50", tmp_path / "." / "w").key()
    others = [Reference("resnet18", file), Reference("resnet50"), Reference("resnet50", file, labels=file)]
    others += [Reference("resnet50", image_size=(8, 8)), Reference("resnet50", pretrained=False)]
    assert len({key, *(other.key() for other in others)}) == 6
    os.utime(file, ns=(1, 1))
    assert Reference("resnet50", file).key() != key
    with pytest.raises(WeightsError, match="cannot read the weights file"):
        Reference("resnet50", tmp_path / "none").key()
    with pytest.raises(WeightsError, match="is not a regular file"):
        Reference("resnet50", tmp_path).key()


def test_a_prepared_network_is_found_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path))
    assert cache.find("key") is None
    cache.remember("key", "torchvision/colours")
    assert cache.find("key") is None  # remembered, but the folder has gone
    folder = write_colours(cache.folder_path("torchvision/colours"))
    assert cache.find("key") == folder == tmp_path / f"models-{SCHEMA}" / "torchvision--colours"
    (tmp_path / f"names-{SCHEMA}" / next(os.walk(tmp_path / f"names-{SCHEMA}"))[2][0]).write_text("broken")
    assert cache.find("key") is None


def test_without_a_setting_the_cache_is_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CNNCLI_HOME")
    assert cache.home().name == "cnncli"
