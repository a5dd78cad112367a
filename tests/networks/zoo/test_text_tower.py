"""Class names that a text tower turns into a classifier, compared with open_clip itself, with random weights."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save, save_file
from timm.models import PretrainedCfg

from cnncli.engines.onnx import OnnxEngine
from cnncli.errors import UsageError, WeightsError
from cnncli.images.preprocess import preprocess
from cnncli.networks.model_folder import ModelFolder, open_folder, verify
from cnncli.networks.reference import Reference
from cnncli.networks.zero_shot import TEXT_TOWERS, TextTower, ZeroShotClasses
from cnncli.networks.zoo import timm as timm_networks
from cnncli.prepare import prepare
from cnncli.records.defaults import PROMPT
from cnncli.records.networks import Embedding, Head, HeadKind
from cnncli.records.progress import NullProgress
from tests.conftest import ROOT, Cnncli, Imports, Program, arrays_of
from tests.hub_server import Hub, run_hub

TOWER = "vit_xsmall_patch16_clip_224.tinyclip_yfcc15m"
"""The smallest image tower of timm; it gets an even smaller text tower here."""

SMALL = {
    "embed_dim": 512,
    "vision_cfg": {"image_size": 224, "layers": 10, "width": 256, "patch_size": 16, "head_width": 64},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
PUBLISHED = tuple(TEXT_TOWERS)
REPOSITORY = "someone/small-clip"
FILE = f"{REPOSITORY}/resolve/main/open_clip_model.safetensors"

FRUIT = ("Lemon", "orange", "bell pepper (red)", "crème brûlée")
LEMON, ORANGE = (ROOT / "sample_images" / f"{name}.jpg" for name in ("lemon", "orange"))


def random_clip(architecture: str) -> Any:
    """A network of open_clip; none of its weights is zero, so that each of them matters."""
    import open_clip

    torch.manual_seed(1)
    model = open_clip.create_model(architecture).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model


def open_clip_logits(
    model: Any,
    architecture: str,
    texts: list[str],
    pixels: NDArray[np.float32],
) -> NDArray[np.float32]:
    """As open_clip computes them, with its own tokenizer."""
    import open_clip

    with torch.inference_mode():
        images, features, scale = model(
            torch.from_numpy(pixels), open_clip.get_tokenizer(architecture)(texts)
        )
        logits: NDArray[np.float32] = (scale * images @ features.T).numpy()
    return logits


def published(name: str) -> PretrainedCfg:
    config = timm.get_pretrained_cfg(name)
    assert config
    return config


def pixels_of(folder: ModelFolder, *files: Path) -> NDArray[np.float32]:
    images = [Image.open(file).convert("RGB") for file in files]
    return np.stack([preprocess(image, folder.card.preprocessing) for image in images])


def logits_of(folder: ModelFolder, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    return OnnxEngine(folder.require_graph()).run(pixels).logits


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small network of open_clip with random weights."""
    open_clip = pytest.importorskip("open_clip")
    config = tmp_path_factory.mktemp("configs") / "small-clip.json"
    config.write_text(json.dumps(SMALL))
    open_clip.add_model_config(config)
    return random_clip("small-clip")


@pytest.fixture(scope="module")
def hub(clip: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A stand-in for the hub that has open_clip's file; the table has a row for it."""
    with pytest.MonkeyPatch.context() as patch, run_hub(Hub({FILE: save(clip.state_dict())})) as served:
        patch.setitem(TEXT_TOWERS, TOWER, TextTower("small-clip", REPOSITORY))
        template = served.address + "/{repo_id}/resolve/{revision}/{filename}"
        patch.setattr("huggingface_hub.constants.ENDPOINT", served.address)
        patch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        yield served


def prepared(names: tuple[str, ...] = FRUIT, prompt: str = PROMPT, **others: Any) -> ModelFolder:
    reference = Reference(TOWER, zero_shot=ZeroShotClasses(names, prompt), **others)
    return prepare(reference, NullProgress(), needs_classes=True)


@pytest.mark.slow
def test_logits_are_those_of_open_clip(hub: Hub, clip: Any) -> None:
    folder = prepared()
    verify(folder)
    card = folder.card
    assert card.class_names == FRUIT
    assert card.architecture.head == Head(HeadKind.COSINE, "", 512, 512)
    assert card.embedding == Embedding(512, "head", gives_logits=True)
    assert "as 'a photo of a {}'" in card.weights_origin
    pixels = pixels_of(folder, LEMON, ORANGE)
    texts = [f"a photo of a {name}" for name in FRUIT]
    expected = open_clip_logits(clip, "small-clip", texts, pixels)
    assert np.ptp(expected) > 0.1  # they differ
    assert logits_of(folder, pixels) == pytest.approx(expected, abs=1e-4)
    paths = {request.partition(" ")[2] for request in hub.requests}
    assert paths == {"/", f"/{FILE}"}  # one file, and no telemetry

    steps = card.preprocessing
    own = published(TOWER)
    assert (steps.mean, steps.std, steps.interpolation) == (own.mean, own.std, own.interpolation)
    assert steps.interpolation == "bicubic"


@pytest.mark.slow
def test_a_folder_is_made_once_for_names_and_prompt(hub: Hub) -> None:
    first = prepared()
    requests = len(hub.requests)
    assert prepared() == first
    prompted = prepared(prompt="{}")  # from the file that has been downloaded
    fewer = prepared(FRUIT[:2])
    assert len({first.path, prompted.path, fewer.path}) == 3
    assert len(hub.requests) == requests
    image_tower = timm.create_model("vit_xsmall_patch16_clip_224", num_classes=512).state_dict()
    hub.files[f"timm/{TOWER}/resolve/main/model.safetensors"] = save(image_tower)
    assert prepare(Reference(TOWER), NullProgress()).card.is_feature_extractor
    assert prepared() == first


@pytest.mark.slow
def test_a_checkpoint_of_ones_own(hub: Hub, clip: Any, tmp_path: Path) -> None:
    """As training with open_clip writes it, and as timm has the image tower."""
    tensors = clip.state_dict()
    torch.save(
        {"epoch": 1, "state_dict": {f"module.{name}": value for name, value in tensors.items()}},
        tmp_path / "epoch_1.pt",
    )
    requests = len(hub.requests)
    folder = prepared(weights=tmp_path / "epoch_1.pt")
    assert len(hub.requests) == requests
    pixels = pixels_of(folder, LEMON)
    texts = [f"a photo of a {name}" for name in FRUIT]
    assert logits_of(folder, pixels) == pytest.approx(
        open_clip_logits(clip, "small-clip", texts, pixels), abs=1e-4
    )
    image_tower = timm.create_model("vit_xsmall_patch16_clip_224", num_classes=512).state_dict()
    save_file(image_tower, tmp_path / "image.safetensors")
    save_file({"visual.proj": torch.ones(256, 512)}, tmp_path / "visual.safetensors")
    for file in ("image.safetensors", "visual.safetensors"):
        with pytest.raises(WeightsError, match=f"{file} does not hold both an image tower and a text tower"):
            prepared(weights=tmp_path / file)


@pytest.mark.usefixtures("hub")
@pytest.mark.slow
def test_every_command_works_with_it(cnncli: Cnncli, tmp_path: Path) -> None:
    result = cnncli("predict", LEMON, "-m", TOWER, "--classes", "lemon, bell pepper", "-f", "json")
    assert result.exit_code == 0, result.stderr
    (record,) = json.loads(result.stdout)
    assert {item["label"] for item in record["predictions"]} == {"lemon", "bell pepper"}
    assert "zero-shot: " in result.stderr
    (model,) = re.findall(rf"prepared ({re.escape(TOWER)}\+zero-shot-\w+) in", result.stderr)
    restricted = cnncli("predict", LEMON, "-m", model, "--classes", "lemon,bell pepper", "-k", "1")
    assert f"predicting 2 of the 2 classes of {model}" in restricted.stderr
    assert cnncli("features", LEMON, "-m", model, "-o", tmp_path / "a.npz").exit_code == 0
    (vector,) = arrays_of(tmp_path / "a.npz")["embeddings"]
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    for engine in ("onnx", "torch"):
        result = cnncli("predict", LEMON, "-m", model, "-f", "json", "--engine", engine)
        (again,) = json.loads(result.stdout)
        for one, other in zip(again["predictions"], record["predictions"], strict=True):
            assert one["probability"] == pytest.approx(other["probability"], abs=1e-4)
    assert cnncli("similar", LEMON, "--in", ROOT / "sample_images", "-m", model).exit_code == 0
    for label in ("lemon", "bell pepper"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(6):
            Image.effect_noise((64, 64), 20 + 30 * number).save(tmp_path / "data" / label / f"{number}.png")
    evaluation = cnncli("evaluate", tmp_path / "data", "-m", model)
    assert evaluation.exit_code == 0, evaluation.stderr
    assert cnncli("summary", model).exit_code == 0


@pytest.mark.usefixtures("hub")
@pytest.mark.slow
@pytest.mark.parametrize("tune", ["features", pytest.param("full", marks=pytest.mark.full)])
def test_fine_tuning_starts_from_it(cnncli: Cnncli, tmp_path: Path, tune: str) -> None:
    for label, brightness in (("dark", 40), ("bright", 220)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(8):
            Image.new("RGB", (64, 64), (brightness + number,) * 3).save(
                tmp_path / "data" / label / f"{number}.png"
            )
    start = prepared().card.name
    epochs = () if tune == "features" else ("--epochs", "1")
    result = cnncli(
        "finetune", tmp_path / "data", "-m", start, "--tune", tune, *epochs, "-o", tmp_path / "run", "-q"
    )
    assert result.exit_code == 0, result.stderr
    card = open_folder(tmp_path / "run").card
    assert card.class_names == ("bright", "dark")
    assert card.architecture.head == Head(HeadKind.COSINE, "", 512, 512)
    answers = [
        json.loads(cnncli("predict", LEMON, "-m", tmp_path / "run", "-f", "json", "--engine", engine).stdout)
        for engine in ("onnx", "torch")
    ]
    first, second = ([item["probability"] for item in answer[0]["predictions"]] for answer in answers)
    assert first == pytest.approx(second, abs=1e-3)


@pytest.mark.usefixtures("hub")
@pytest.mark.slow
def test_a_name_that_is_too_long() -> None:
    longest = "apple " * 71  # and "a photo of a", and two tokens around it
    assert prepared(("lemon", longest)).card.class_names == ("lemon", longest)
    with pytest.raises(UsageError, match="is 29 tokens longer than the text tower can read"):
        prepared(("lemon", "apple " * 100))


@pytest.mark.usefixtures("hub")
@pytest.mark.slow
def test_ten_thousand_names(cnncli: Cnncli, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("".join(f"kind {number}\n" for number in range(10_000)))
    result = cnncli("predict", LEMON, "-m", TOWER, "--classes", f"@{names}", "-f", "tsv")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split("\t")[1].startswith("kind ")


def test_the_table_is_that_of_open_clip() -> None:
    open_clip = pytest.importorskip("open_clip")
    for name in PUBLISHED:
        tower = TEXT_TOWERS[name]
        repositories = {
            weights["hf_hub"].rstrip("/"): weights
            for tag in open_clip.list_pretrained_tags_by_model(tower.architecture)
            if (weights := open_clip.get_pretrained_cfg(tower.architecture, tag)).get("hf_hub")
        }
        config, weights = open_clip.get_model_config(tower.architecture), repositories[tower.repository]
        own = published(name)
        assert config["embed_dim"] == own.num_classes
        assert config["vision_cfg"]["image_size"] == own.input_size[1]
        assert bool(config.get("quick_gelu")) == bool(weights.get("quick_gelu")) == ("quickgelu" in name)
        assert type(open_clip.get_tokenizer(tower.architecture)) is open_clip.SimpleTokenizer


@pytest.mark.full
@pytest.mark.parametrize("name", PUBLISHED)
def test_weights_of_open_clip_fit_the_image_tower(name: str) -> None:
    import open_clip

    architecture = name.partition(".")[0]
    with torch.device("meta"):
        clip = open_clip.create_model(TEXT_TOWERS[name].architecture, device="meta")
        network = timm.create_model(architecture, num_classes=published(name).num_classes)
    tensors = {key: torch.zeros(value.shape) for key, value in clip.state_dict().items()}
    adapted = timm_networks.adapt_weights(tensors, network)
    assert {key: value.shape for key, value in adapted.items()} == {
        key: value.shape for key, value in network.state_dict().items()
    }


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("vit_base_patch32_clip_224.laion2b", marks=pytest.mark.slow),
        pytest.param("vit_base_patch32_clip_quickgelu_224.openai", marks=pytest.mark.full),
        pytest.param("convnext_base.clip_laion2b", marks=pytest.mark.full),
    ],
)
def test_the_whole_program_downloads_once_and_then_needs_no_torch(
    name: str, program: Program, imports: Imports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = TEXT_TOWERS[name]
    model = random_clip(tower.architecture)
    file = f"{tower.repository}/resolve/main/open_clip_pytorch_model.bin"
    torch.save(model.state_dict(), tmp_path / "model.bin")
    for variable in ("HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    command = ("predict", LEMON, ORANGE, "-m", name, "--classes", ", ".join(FRUIT), "--prompt", "{}!", "-f", "json")  # fmt: skip
    with run_hub(Hub({file: (tmp_path / "model.bin").read_bytes()})) as hub:
        first = program(*command, HF_ENDPOINT=hub.address)
    assert first.returncode == 0, first.stderr
    again, packages = imports(*command, HF_ENDPOINT="http://127.0.0.1:9")
    assert again.stdout == first.stdout
    assert not {"torch", "timm", "open_clip"} & packages
    (path,) = (tmp_path / "home").glob("models-*/*")
    folder = open_folder(path)
    pixels = pixels_of(folder, LEMON, ORANGE)
    expected = open_clip_logits(model, tower.architecture, [f"{fruit}!" for fruit in FRUIT], pixels)
    assert logits_of(folder, pixels) == pytest.approx(expected, abs=1e-4)
