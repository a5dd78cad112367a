"""Networks of transformers give what transformers itself computes, and what cannot be used is refused in one line."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

from cnncli.engines.onnx import OnnxEngine
from cnncli.errors import CnncliError
from cnncli.images.preprocess import preprocess
from cnncli.logits import probabilities
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.progress import NullProgress
from cnncli.records.tasks import AnswerKind, Task
from tests.conftest import ROOT, Cnncli
from tests.hub_server import Hub, run_hub
from tests.transformers_for_tests import FAMILIES, NAMES, Saved, save_family

PHOTOS = [Image.open(file).convert("RGB") for file in sorted((ROOT / "sample_images").glob("*.jpg"))[:5]]
ALWAYS, SLOW = {"resnet"}, {"vit", "levit with teacher"}
CASES = [
    pytest.param(
        name,
        marks=() if name in ALWAYS else pytest.mark.slow if name in SLOW else pytest.mark.full,
    )
    for name in FAMILIES
]
TORCHVISION_ONLY = {"pp_lcnet"}
TWICE_NORMALISED = {"efficientnet"}


def prepared(saved: Saved) -> ModelFolder:
    return prepare(Reference(str(saved.folder)), NullProgress())


def processed(saved: Saved, image: Image.Image) -> NDArray[np.float32]:
    pixels: NDArray[np.float32] = saved.processor(image, return_tensors="np")["pixel_values"][0]
    return pixels


@pytest.mark.parametrize("name", CASES)
def test_each_family_as_transformers_computes_it(name: str, tmp_path: Path) -> None:
    saved = save_family(name, tmp_path / "saved")
    folder = prepared(saved)
    assert folder.card.class_names == tuple(NAMES.values())
    reverses = json.loads(folder.card.architecture.config or "")["reverses_channels"]
    ours = np.stack([preprocess(photo, folder.card.preprocessing) for photo in PHOTOS])
    theirs = np.stack([processed(saved, photo) for photo in PHOTOS])
    in_order = ours[:, ::-1] if reverses else ours
    if name in TORCHVISION_ONLY:
        assert np.abs(in_order - theirs).max() < 0.1
        theirs = in_order
    elif name in TWICE_NORMALISED:
        np.testing.assert_allclose(in_order, theirs, rtol=0, atol=1e-6)
    else:
        np.testing.assert_array_equal(in_order, theirs)
    with torch.inference_mode():
        expected = saved.network(torch.from_numpy(theirs.copy()))[0].numpy()
    outputs = OnnxEngine(folder.require_graph()).run(ours)
    spread = expected.max() - expected.min()
    assert spread > 1e-3
    np.testing.assert_allclose(outputs.logits, expected, rtol=0, atol=1e-4 * spread)
    chances = torch.from_numpy(expected).softmax(1).numpy()
    np.testing.assert_allclose(probabilities(outputs.logits), chances, rtol=0, atol=1e-4)
    assert outputs.embeddings.shape == (5, folder.card.embedding.size)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    return save_family("resnet", tmp_path_factory.mktemp("saved") / "orchard")


def copy(saved: Saved, folder: Path) -> Path:
    return Path(shutil.copytree(saved.folder, folder))


def edit(file: Path, **changes: Any) -> None:
    document = json.loads(file.read_text(encoding="utf-8"))
    document |= changes
    file.write_text(json.dumps({key: value for key, value in document.items() if value is not ...}))


def test_a_saved_folder_is_prepared_once_and_again_when_it_changes(resnet: Saved, tmp_path: Path) -> None:
    folder = copy(resnet, tmp_path / "orchard")
    reference = Reference(str(folder))
    first = prepare(reference, NullProgress())
    assert first.card.name.startswith("orchard+")
    assert prepare(reference, NullProgress()).path == first.path
    edit(folder / "config.json", id2label={str(index): f"LABEL_{index}" for index in range(5)})
    other = prepare(reference, NullProgress())
    assert other.path != first.path
    assert other.card.class_names[0] == "class 0"


def test_several_right_classes(resnet: Saved, tmp_path: Path) -> None:
    folder = copy(resnet, tmp_path / "many")
    edit(folder / "config.json", problem_type="multi_label_classification")
    names = tuple(NAMES.values())
    tasks = prepare(Reference(str(folder)), NullProgress()).card.tasks
    assert tasks == (Task("labels", names, AnswerKind.SEVERAL, (0.5,) * 5),)


def test_a_network_without_a_classifier_gives_its_pooled_output(resnet: Saved, tmp_path: Path) -> None:
    backbone: Any = resnet.network.base_model
    backbone.save_pretrained(tmp_path)
    resnet.processor.save_pretrained(tmp_path)
    folder = prepare(Reference(str(tmp_path)), NullProgress())
    assert folder.card.is_feature_extractor
    pixels = np.stack([preprocess(photo, folder.card.preprocessing) for photo in PHOTOS])
    with torch.inference_mode():
        expected = backbone(torch.from_numpy(pixels)).pooler_output.flatten(1).numpy()
    embeddings = OnnxEngine(folder.require_graph()).run(pixels).embeddings
    np.testing.assert_allclose(embeddings, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", ["sharded", "pickled", "half"])
def test_other_layouts_of_the_weights(resnet: Saved, tmp_path: Path, layout: str) -> None:
    folder, network = tmp_path / layout, resnet.network
    if layout == "sharded":
        network.save_pretrained(folder, max_shard_size="10KB")
        assert (folder / "model.safetensors.index.json").exists()
    else:
        folder.mkdir()
        shutil.copy(resnet.folder / "config.json", folder)
        state = network.state_dict()
        if layout == "pickled":
            torch.save(state, folder / "pytorch_model.bin")
        else:
            save_file({name: value.half() for name, value in state.items()}, folder / "model.safetensors")
            edit(folder / "config.json", dtype="float16")
    resnet.processor.save_pretrained(folder)
    tensors = load_file(prepare(Reference(str(folder)), NullProgress()).weights)
    assert {value.dtype for value in tensors.values() if value.is_floating_point()} == {torch.float32}
    for name, value in network.state_dict().items():
        np.testing.assert_allclose(tensors[f"model.{name}"], value, rtol=1e-3, atol=1e-3)


def spoil_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def quantize_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    save_file(weights | {"classifier.1.weight": weights["classifier.1.weight"].to(torch.int8)}, file)


def shard_elsewhere(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "../secret.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a detector": (
        lambda folder: edit(
            folder / "config.json", model_type="detr", architectures=["DetrForObjectDetection"]
        ),
        "no image classifier",
    ),
    "a segmenter": (
        lambda folder: edit(folder / "config.json", architectures=["ResNetForSemanticSegmentation"]),
        "which is no image classifier",
    ),
    "a text model": (lambda folder: edit(folder / "config.json", model_type="bert"), "no image classifier"),
    "remote code": (
        lambda folder: edit(
            folder / "config.json", model_type="mine", auto_map={"AutoConfig": "mine.Config"}
        ),
        "needs Python code from its repository, which is not run",
    ),
    "no processor": (
        lambda folder: (folder / "preprocessor_config.json").unlink(),
        "has no preprocessor_config.json",
    ),
    "a processor with code": (
        lambda folder: edit(
            folder / "preprocessor_config.json",
            image_processor_type="Mine",
            auto_map={"AutoImageProcessor": "mine.Mine"},
        ),
        "the preprocessor_config.json of",
    ),
    "images of all sizes": (
        lambda folder: edit(
            folder / "preprocessor_config.json",
            image_processor_type="TextNetImageProcessor",
            size={"shortest_edge": 64},
        ),
        "its images have different sizes",
    ),
    "a processor of its own kind": (
        lambda folder: edit(
            folder / "preprocessor_config.json",
            image_processor_type="PerceiverImageProcessor",
            size={"height": 32, "width": 32},
            crop_size={"height": 40, "width": 40},
            do_center_crop=True,
        ),
        "it does more than resize, crop and normalize",
    ),
    "gaps in the labels": (
        lambda folder: edit(folder / "config.json", id2label={"0": "a", "7": "b"}),
        "does not number its classes from 0",
    ),
    "too few labels": (
        lambda folder: edit(folder / "config.json", id2label={"0": "a", "1": "b"}),
        "classifier.1.bias is 5 instead of 2",
    ),
    "another network": (
        lambda folder: edit(folder / "config.json", depths=[2, 1]),
        "does not fit its config.json",
    ),
    "quantized weights": (
        lambda folder: edit(folder / "config.json", quantization_config={"quant_method": "fp8"}),
        "quantized weights",
    ),
    "weights of 8 bits": (quantize_weights, "classifier.1.weight is int8; quantized weights"),
    "regression": (lambda folder: edit(folder / "config.json", problem_type="regression"), "regression"),
    "a truncated file": (spoil_weights, "is damaged"),
    "a clone without its large files": (
        lambda folder: (folder / "model.safetensors").write_text(
            "version https://git-lfs.github.com/spec/v1"
        ),
        "is a pointer of Git LFS, not the weights",
    ),
    "a part in another folder": (shard_elsewhere, "a file in another folder"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "has no model.safetensors"),
    "five channels": (lambda folder: edit(folder / "config.json", num_channels=5), "5 channels"),
    "not JSON": (lambda folder: (folder / "config.json").write_text("{"), "is not JSON"),
    "no kind": (lambda folder: edit(folder / "config.json", model_type=...), "names the architecture None"),
}


@pytest.mark.parametrize("problem", REFUSED)
def test_what_cannot_be_used_is_refused_in_one_line(
    resnet: Saved, tmp_path: Path, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil, message = REFUSED[problem]
    folder = copy(resnet, tmp_path / "net")
    spoil(folder)
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    with pytest.raises(CnncliError, match=re.escape(message)) as error:
        prepare(Reference(str(folder)), NullProgress())
    assert "\n" not in error.value.message
    assert not list((tmp_path / "home").glob("models-*/*"))


@pytest.mark.slow
@pytest.mark.parametrize("max_shard_size", ["5GB", "10KB"])
def test_a_repository_on_the_hub(
    resnet: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_shard_size: str
) -> None:
    repository = tmp_path / "repository"
    resnet.network.save_pretrained(repository, max_shard_size=max_shard_size)
    resnet.processor.save_pretrained(repository)
    commit = "1" * 40  # as the stand-in says
    files = {
        f"me/net/resolve/{revision}/{file.name}": file.read_bytes()
        for file in repository.iterdir()
        for revision in ("main", commit)
    }
    for name in ("HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    with run_hub(Hub(files)) as hub:
        environment = os.environ | {
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "hf"),
            "CNNCLI_HOME": str(tmp_path / "home"),
        }
        command = [sys.executable, "-m", "cnncli", "predict", "-m", "hf-hub:me/net", "-f", "csv"]
        command.append(str(next((ROOT / "sample_images").glob("*.jpg"))))
        first = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert first.returncode == 0, first.stderr
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (again.stdout, again.stderr) == (first.stdout, "")
    assert any(name in first.stdout for name in NAMES.values())


TUNES = [pytest.param(tune, marks=pytest.mark.full) for tune in ("features", "head", "last:1")]


@pytest.mark.parametrize("tune", [pytest.param("full", marks=pytest.mark.slow), *TUNES])
def test_training_on_it_and_looking_inside(resnet: Saved, cnncli: Cnncli, tmp_path: Path, tune: str) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    for shade in (60, 190):
        (data / f"grey {shade}").mkdir(parents=True)
        for number in range(10):
            Image.effect_noise((40, 36), shade / 4 + number).save(data / f"grey {shade}" / f"{number}.png")
    epochs = [] if tune == "features" else ["--epochs", "1"]
    trained = cnncli("finetune", data, "-m", resnet.folder, "--tune", tune, *epochs, "-o", run)
    assert trained.exit_code == 0, trained.stderr
    photo = data / "grey 60" / "1.png"
    for command in (
        ("predict", photo, "-m", run, "--engine", "torch"),
        ("summary", run),
        ("cam", photo, "-m", run, "-o", tmp_path / "cam.png"),
        ("maps", photo, "-m", run, "-o", tmp_path / "maps.png"),
        ("export", run, "-o", tmp_path / "run.onnx"),
    ):
        result = cnncli(*command)
        assert result.exit_code == 0, result.stderr
