"""`cnncli push`: to a folder, and to a stand-in hub, from which timm and cnncli read the same network back."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from PIL import Image

from cnncli.data.splits import splits_table
from cnncli.files.csv_tables import write_tables
from cnncli.images.sources import image_source
from cnncli.networks.model_folder import open_folder
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare, resolve_untrained
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.networks import CARD
from cnncli.records.progress import NullProgress
from cnncli.training.settings_file import RecordedSettings
from tests.conftest import ROOT, Cnncli
from tests.hub_server import WritableHub, run_hub

PHOTO = ROOT / "sample_images" / "orange.jpg"
TIMM_FILES = ["README.md", "config.json", "model.safetensors"]
OWN_FILES = ["README.md", "card.json", "model.onnx", "model.safetensors"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WritableHub]:
    with run_hub(WritableHub({})) as served:
        monkeypatch.setenv("HF_TOKEN", served.token)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
        constants = "huggingface_hub.constants"
        template = served.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(f"{constants}.ENDPOINT", served.address)
        monkeypatch.setattr(f"{constants}.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(f"{constants}.HF_HUB_CACHE", str(tmp_path / "hub"))
        yield served


def probabilities_of(cnncli: Cnncli, model: str | Path) -> list[float]:
    result = cnncli("predict", PHOTO, "-m", model, "-k", "3", "-f", "json")
    assert result.exit_code == 0, result.stderr
    return [item["probability"] for item in json.loads(result.stdout)[0]["predictions"]]


def make_run(network: Path, run: Path) -> Path:
    """A copy of a model folder with what a run of finetune has beside it."""
    shutil.copytree(network, run)
    card = json.loads((run / CARD).read_text())
    names = card["class_names"]
    card["metrics"] = [
        {"name": f"{split}_top1", "value": 0.75, "low": 0.5, "high": 0.875, "images": 4}
        for split in ("train", "val")
    ]
    (run / CARD).write_text(json.dumps(card))
    options = {"data": f"{run.parent}/secret/flowers", "tune": "full", "epochs": 3}
    RecordedSettings(options, "some_net", "published", versions={"torch": "2.14"}).write(run)
    samples = [
        Sample(image_source(f"/secret/{number}.jpg"), number % 2, list(Split)[number % 3])
        for number in range(6)
    ]
    write_tables(run, [splits_table(DataSet("flowers", "/secret", tuple(names), tuple(samples)))])
    Image.new("RGB", (8, 8)).save(run / "confusion_matrix.png")
    return run


@pytest.mark.slow
def test_a_timm_network_is_read_back_by_timm_and_by_cnncli(
    hub: WritableHub, cnncli: Cnncli, tiny_64: Path
) -> None:
    result = cnncli("push", tiny_64, "hf-hub:me/tiny", "--yes")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{hub.address}/me/tiny\n"
    assert hub.private == {"me/tiny": True}
    assert hub.names("me/tiny") == TIMM_FILES
    expected = probabilities_of(cnncli, tiny_64)
    assert probabilities_of(cnncli, "hf-hub:me/tiny") == pytest.approx(expected, abs=1e-5)
    readme = hub.files["me/tiny/resolve/main/README.md"].decode()
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    values: dict[str, Any] = {}
    exec(example.replace("photo.jpg", str(PHOTO)), values)  # noqa: S102 - our own model card
    assert float(values["probabilities"].max()) == pytest.approx(expected[0], abs=1e-5)
    assert values["network"].pretrained_cfg["label_names"][0] == open_folder(tiny_64).card.class_names[0]


def test_another_network_goes_as_a_model_folder(hub: WritableHub, cnncli: Cnncli, colour_tasks: Path) -> None:
    result = cnncli("push", colour_tasks, "hf-hub:me/colours", "--public", "--yes")
    assert result.exit_code == 0, result.stderr
    assert "timm cannot: it has several tasks" in result.stderr
    assert hub.private == {"me/colours": False}
    assert hub.names("me/colours") == OWN_FILES
    readme = hub.files["me/colours/resolve/main/README.md"].decode()
    assert "no other program reads them: it has several tasks" in readme
    assert "Its task mood has 3 classes, of which any number can be right." in readme
    assert "timm" not in readme.partition("# colours")[0]
    described = cnncli("summary", "hf-hub:me/colours")
    assert described.exit_code == 0, described.stderr
    untrained = resolve_untrained(Reference("hf-hub:me/colours"), NullProgress())
    assert untrained.architecture == open_folder(colour_tasks).card.architecture
    assert not any("GET" in request and "model.safetensors" in request for request in hub.requests)
    folder = prepare(Reference("hf-hub:me/colours"), NullProgress())
    assert folder.card.name == "hf-hub:me/colours"
    assert folder.card.tasks == open_folder(colour_tasks).card.tasks
    asked = len(hub.requests)
    assert prepare(Reference("hf-hub:me/colours"), NullProgress()) == folder
    again = prepare(Reference("hf-hub:me/colours@main"), NullProgress(), save_as="again")
    assert (again.path.name, again.digest) == ("again", folder.digest)
    assert len(hub.requests) == asked  # all of it was in the caches
    refused = cnncli("predict", PHOTO, "-m", "hf-hub:me/colours", "--img-size", "96")
    assert "is a finished model folder; --img-size cannot change it" in refused.stderr


def test_a_damaged_model_folder_on_the_hub_is_refused(
    hub: WritableHub, cnncli: Cnncli, colours: Path
) -> None:
    hub.private["me/broken"] = True
    for name in ("card.json", "model.onnx", "model.safetensors"):
        for revision in ("main", "1" * 40):
            hub.files[f"me/broken/resolve/{revision}/{name}"] = (colours / name).read_bytes()[:-1] + b"\n"
    result = cnncli("pull", "hf-hub:me/broken")
    assert result.exit_code == 1
    assert "has changed: its SHA-256 is wrong" in result.stderr


def test_an_existing_repository(hub: WritableHub, cnncli: Cnncli, tiny_64: Path, colour_tasks: Path) -> None:
    assert cnncli("push", colour_tasks, "hf-hub:me/net", "--yes").exit_code == 0
    hub.files["me/net/resolve/main/notes.txt"] = b"mine"
    refused = cnncli("push", tiny_64, "hf-hub:me/net", "--yes")
    assert refused.exit_code == 1
    assert f"me/net already exists on {hub.address}" in refused.stderr
    assert hub.names("me/net") == sorted([*OWN_FILES, "notes.txt"])
    assert cnncli("push", tiny_64, "hf-hub:me/net", "--yes", "--overwrite").exit_code == 0
    assert hub.names("me/net") == sorted([*TIMM_FILES, "notes.txt"])  # of the earlier network nothing is left
    hub.private["me/net"] = False
    refused = cnncli("push", tiny_64, "hf-hub:me/net", "--yes", "--overwrite")
    assert "everybody can see it" in refused.stderr


def test_a_push_that_breaks_off_can_be_repeated(hub: WritableHub, cnncli: Cnncli, colour_tasks: Path) -> None:
    hub.refuses = "/commit/"
    result = cnncli("push", colour_tasks, "hf-hub:me/net", "--yes")
    assert result.exit_code == 1
    assert "refuses the files for me/net" in result.stderr
    assert hub.names("me/net") == []
    hub.refuses = ""
    assert cnncli("push", colour_tasks, "hf-hub:me/net", "--yes").exit_code == 0
    assert hub.names("me/net") == OWN_FILES


def test_nothing_is_sent_without_consent(
    hub: WritableHub, cnncli: Cnncli, colour_tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = cnncli("push", colour_tasks, "hf-hub:me/net")
    assert result.exit_code == 2
    assert "add --yes" in result.stderr
    monkeypatch.setattr("cnncli.cli.push.is_terminal", lambda _: True)
    result = cnncli("push", colour_tasks, "hf-hub:me/net", stdin=b"n\n")
    assert "  card.json  " in result.stderr
    assert "only you and your organisation can see them? [y/N]" in result.stderr
    assert result.stderr.endswith("error: nothing was sent\n")
    assert not hub.private
    result = cnncli("push", colour_tasks, "hf-hub:me/net", stdin=b"y\n")
    assert result.exit_code == 0, result.stderr
    assert hub.names("me/net") == OWN_FILES


def test_without_access(
    hub: WritableHub, cnncli: Cnncli, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "refuses the token" in cnncli("push", colours, "hf-hub:me/net", "--yes").stderr
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere")
    asked = len(hub.requests)
    assert "there is no token for" in cnncli("push", colours, "hf-hub:me/net", "--yes").stderr
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE forbids" in cnncli("push", colours, "hf-hub:me/net", "--yes").stderr
    assert len(hub.requests) == asked
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached" in cnncli("push", colours, "hf-hub:me/net", "--yes").stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name either a repository"),
        (("hf-hub:me/net", "--to", "x"), "name either a repository"),
        (("--to", "x", "--yes"), "--public and --yes have no effect with --to"),
        (("me/net", "--yes"), "me/net is not the name of a repository"),
        (("hf-hub:me/net@v2", "--yes"), "is not the name of a repository"),
        (("hf-hub:me/net--two", "--yes"), "is not the name of a repository"),
        (("hf-hub:net",), "is not a repository on the hub"),
    ],
)
def test_wrong_arguments(cnncli: Cnncli, colours: Path, arguments: tuple[str, ...], message: str) -> None:
    result = cnncli("push", colours, *arguments)
    assert result.exit_code in {1, 2}
    assert message in result.stderr


def test_what_is_no_run(cnncli: Cnncli, tmp_path: Path) -> None:
    assert "resnet50 is not a run" in cnncli("push", "resnet50", "--to", tmp_path / "x").stderr
    assert "it has no card.json" in cnncli("push", tmp_path, "--to", tmp_path / "x").stderr
    assert not (tmp_path / "x").exists()


def test_a_folder(cnncli: Cnncli, colour_labels: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    result = cnncli("push", colour_labels, "--to", target)
    assert result.exit_code == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["saved"] * 4
    assert sorted(file.name for file in target.iterdir()) == OWN_FILES
    assert probabilities_of(cnncli, target) == probabilities_of(cnncli, colour_labels)
    assert f"{target} already exists" in cnncli("push", colour_labels, "--to", target).stderr
    assert cnncli("push", colour_labels, "--to", target, "--overwrite").exit_code == 0
    (target / "notes.txt").write_text("mine")
    refused = cnncli("push", colour_labels, "--to", target, "--overwrite")
    assert f"{target} holds other files: notes.txt" in refused.stderr
    assert (target / "notes.txt").exists()
    refused = cnncli("push", colour_labels, "--to", target / "notes.txt")
    assert refused.exit_code == 1


def test_the_model_card_of_a_run_names_no_files_of_this_machine(
    cnncli: Cnncli, colours: Path, tmp_path: Path
) -> None:
    run = make_run(colours, tmp_path / "a run")
    (run / "card.json").write_text((run / "card.json").read_text().replace('"red"', '"re|d\\u001b<b>"'))
    # timm's own weights would not fit; the card does not depend on them
    result = cnncli("push", write_as_blueprint(run), "--to", tmp_path / "out", "--license", "cc0-1.0")
    assert result.exit_code == 0, result.stderr
    text = (tmp_path / "out" / "README.md").read_text()
    assert "license: cc0-1.0" in text
    assert "It was made from some\\_net, fine-tuned on flowers" in text
    assert "| val_top1 | 75.0 % | 50.0 % to 87.5 % | 4 |" in text
    assert "![Confusion matrix](confusion_matrix.png)" in text
    assert "| green | 1 | 1 | 1 | 3 |" in text
    assert "| total | 2 | 2 | 2 | 6 |" in text
    assert "| `epochs` | 3 |" in text
    assert "value: 0.75" in text
    assert text.count("split: ") == 1  # the accuracy on train is no result
    assert "\x1b" not in text
    assert "<b>" not in text.replace("\\<b\\>", "")
    assert str(tmp_path) not in text
    assert "secret" not in text
    files = {file.name for file in (tmp_path / "out").iterdir()}
    assert files == {*OWN_FILES, "confusion_matrix.png"}


def write_as_blueprint(run: Path) -> Path:
    card = json.loads((run / CARD).read_text())
    card["architecture"] |= {"library": "blueprint", "blueprint": "input 3x8x8; FC-3"}
    (run / CARD).write_text(json.dumps(card))
    return run


@pytest.mark.slow
def test_timm_reads_an_architecture_for_another_image_size(cnncli: Cnncli, tmp_path: Path) -> None:
    folder = prepare(Reference("test_vit", pretrained=False, image_size=(96, 96)), NullProgress())
    assert cnncli("push", folder.path, "--to", tmp_path / "vit").exit_code == 0
    network: Any = timm.create_model(f"local-dir:{tmp_path / 'vit'}", pretrained=True).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 96, 96)).shape == (1, 1000)
    config = json.loads((tmp_path / "vit" / "config.json").read_text())
    assert config["pretrained_cfg"]["input_size"] == [3, 96, 96]
