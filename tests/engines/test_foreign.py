"""ONNX files of other programs give what their own program computes, once it is known how images are prepared for them."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image
from torch import Tensor, nn

from cnncli.engines import foreign_file
from cnncli.engines.onnx import OnnxEngine
from cnncli.engines.preprocessing import OPSET
from cnncli.errors import CnncliError, UsageError
from cnncli.images.preprocess import preprocess
from cnncli.logits import probabilities
from cnncli.networks.foreign import ForeignOptions, ResizeTo, ScoreKind
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.normalization import parse_normalization
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.progress import NullProgress
from tests.conftest import ROOT, Cnncli
from tests.transformers_for_tests import NAMES, save_family

PHOTOS = [Image.open(file).convert("RGB") for file in sorted((ROOT / "sample_images").glob("*.jpg"))[:5]]
SIZE = 24
WHITE = 255
Arrange = Callable[[Tensor], Tensor]


class Classifier(nn.Module):
    """Two layers; images may come in another form, and scores may leave in another one."""

    def __init__(self, prepare_images: Arrange, finish: Arrange) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(8, 5)
        self.head.weight.data *= 20
        self.prepare_images, self.finish = prepare_images, finish

    def forward(self, images: Tensor) -> Tensor:
        return self.finish(self.head(self.body(self.prepare_images(images))))


def export(network: nn.Module, example: Tensor, file: Path, **options: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), (example,), file, dynamo=False, input_names=["x"], output_names=["y"], **options
        )


def same(images: Tensor) -> Tensor:
    return images


def from_bytes(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2).float() / WHITE


@dataclass(frozen=True)
class Kind:
    """A form of files.

    Attributes:
        prepare_images, finish: what the network does before and after its layers.
        example: an input that it is exported with.
        options: what the user has to say.
        is_chance: whether its output is probabilities.
        dynamic: axes of any size.
    """

    prepare_images: Arrange
    finish: Arrange
    example: Tensor
    options: ForeignOptions
    is_chance: bool = False
    dynamic: tuple[int, ...] = ()


UNIT, BYTES = parse_normalization("0..1"), parse_normalization("0..255")
SQUASH = ResizeTo("squash")
FIRST, LAST = torch.zeros(1, 3, SIZE, SIZE), torch.zeros(1, SIZE, SIZE, 3)
KINDS = {
    "any batch, logits": Kind(same, same, FIRST, ForeignOptions(UNIT, SQUASH), dynamic=(0,)),
    "batch of 1, softmax": Kind(
        same, lambda y: y.softmax(1), FIRST, ForeignOptions(UNIT, SQUASH), is_chance=True
    ),
    "channels last, 0 to 255": Kind(
        from_bytes, lambda y: y.softmax(1), LAST, ForeignOptions(BYTES, SQUASH), is_chance=True, dynamic=(0,)
    ),
    "bytes": Kind(from_bytes, same, LAST.to(torch.uint8), ForeignOptions(None, SQUASH)),
    "half": Kind(lambda x: x.float(), same, FIRST.half(), ForeignOptions(UNIT, SQUASH)),
    "an unusual end, probabilities": Kind(
        same,
        lambda y: y.softmax(1).clamp(0, 1),
        FIRST,
        ForeignOptions(UNIT, SQUASH, ScoreKind.PROBABILITIES),
        is_chance=True,
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_form_as_its_own_program_computes_it(name: str, tmp_path: Path) -> None:
    kind, file = KINDS[name], tmp_path / "net.onnx"
    network = Classifier(kind.prepare_images, kind.finish)
    export(network, kind.example, file, dynamic_axes={"x": list(kind.dynamic)} if kind.dynamic else None)
    folder = prepare(Reference(str(file), foreign=kind.options), NullProgress())
    assert prepare(Reference(str(file)), NullProgress()).path == folder.path  # it is said once
    pixels = [np.asarray(photo.resize((SIZE, SIZE), Image.Resampling.BILINEAR)) for photo in PHOTOS]
    with torch.inference_mode():
        expected = torch.cat([network(as_input(kind, values)) for values in pixels]).numpy()
        embeddings = torch.cat(
            [network.body(kind.prepare_images(as_input(kind, values))) for values in pixels]
        )
    outputs = run(folder)
    scores = probabilities(outputs[0]) if kind.is_chance else outputs[0]
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=2e-3 if name == "half" else 1e-4)
    np.testing.assert_allclose(outputs[1], embeddings, rtol=1e-3, atol=1e-3)


def as_input(kind: Kind, values: NDArray[np.uint8]) -> Tensor:
    """The bytes (H, W, C) of an image as an input of the network."""
    if kind.example.shape[-1] == 3:
        return torch.from_numpy(values.copy())[None].to(kind.example.dtype)
    return (torch.from_numpy(values.copy()).permute(2, 0, 1)[None] / WHITE).to(kind.example.dtype)


def run(folder: ModelFolder) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits and embeddings of the photographs."""
    pixels = np.stack([preprocess(photo, folder.card.preprocessing) for photo in PHOTOS])
    outputs = OnnxEngine(folder.require_graph()).run(pixels)
    return outputs.logits, outputs.embeddings


def logits_file(file: Path, **options: Any) -> Path:
    export(Classifier(same, same), FIRST, file, **options)
    return file


def test_an_older_file_whose_last_layer_is_a_convolution(tmp_path: Path) -> None:
    body = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    network, file = nn.Sequential(body, nn.Conv2d(8, 5, 1), nn.Flatten()), tmp_path / "net.onnx"
    export(network, FIRST, file, opset_version=9)
    folder = prepare(Reference(str(file), foreign=ForeignOptions(UNIT, SQUASH)), NullProgress())
    (opset,) = onnx.load(folder.require_graph()).opset_import
    assert opset.version == OPSET
    pixels = torch.stack([torch.from_numpy(preprocess(photo, folder.card.preprocessing)) for photo in PHOTOS])
    with torch.inference_mode():
        expected = network(pixels).numpy(), body(pixels).flatten(1).numpy()
    for actual, values in zip(run(folder), expected, strict=True):
        np.testing.assert_allclose(actual, values, rtol=1e-4, atol=1e-5)


def test_what_ultralytics_writes_is_used(tmp_path: Path) -> None:
    file = tmp_path / "yolo.onnx"
    export(Classifier(same, lambda y: y.softmax(1)), FIRST, file)
    model = onnx.load(file)
    facts = {"author": "Ultralytics", "task": "classify", "imgsz": f"[{SIZE}, {SIZE}]", "names": str(NAMES)}
    helper.set_model_props(model, facts)
    onnx.save(model, file)
    card = prepare(Reference(str(file)), NullProgress()).card
    assert card.class_names == tuple(NAMES.values())
    steps = card.preprocessing
    assert (steps.size, steps.resize, steps.mean, steps.std) == ((SIZE,) * 2, (SIZE,) * 2, (0,) * 3, (1,) * 3)
    helper.set_model_props(model, facts | {"task": "detect"})
    onnx.save(model, file)
    with pytest.raises(CnncliError, match="not a classifier: Ultralytics exported it for the task 'detect'"):
        prepare(Reference(str(file)), NullProgress())


def test_a_sigmoid_means_several_right_classes(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    export(Classifier(same, torch.sigmoid), FIRST, file)
    options = ForeignOptions(UNIT, SQUASH)
    (task,) = prepare(Reference(str(file), foreign=options), NullProgress()).card.tasks
    assert task.thresholds == (0.5,) * 5


@pytest.mark.slow
def test_a_folder_of_optimum_with_channels_in_reverse(tmp_path: Path) -> None:
    saved = save_family("mobilevit", tmp_path)
    saved.network.config.return_dict = False
    all_open = {"x": [0, 1, 2, 3]}  # as optimum leaves them
    export(saved.network, torch.zeros(1, 3, 32, 32), tmp_path / "model.onnx", dynamic_axes=all_open)
    (tmp_path / "model.safetensors").unlink()
    folder = prepare(Reference(str(tmp_path)), NullProgress())
    assert folder.card.class_names == tuple(NAMES.values())
    pixels = np.stack([saved.processor(photo, return_tensors="np")["pixel_values"][0] for photo in PHOTOS])
    with torch.inference_mode():
        expected = saved.network(torch.from_numpy(pixels))[0].numpy()
    np.testing.assert_allclose(run(folder)[0], expected, rtol=1e-4, atol=1e-4)


def test_missing_options_are_named_and_given_once(cnncli: Cnncli, tmp_path: Path) -> None:
    file = logits_file(tmp_path / "net.onnx", dynamic_axes={"x": [0, 1, 2, 3]})
    photo = next((ROOT / "sample_images").glob("*.jpg"))
    refused = cnncli("predict", photo, "-m", file)
    assert refused.exit_code == 2
    assert (
        "does not say how images are prepared for it: --img-size, --normalize, --resize missing"
        in refused.stderr
    )
    (tmp_path / "names.txt").write_text("\n".join(NAMES.values()), encoding="utf-8")
    options = (
        "--img-size",
        "32",
        "--normalize",
        "imagenet",
        "--resize",
        "36",
        "--labels",
        tmp_path / "names.txt",
    )
    pulled = cnncli("pull", file, *options, "--save-as", f"theirs-{os.getpid()}")
    assert pulled.exit_code == 0, pulled.stderr
    answers = [cnncli("predict", photo, "-m", name) for name in (file, f"theirs-{os.getpid()}")]
    assert answers[0].stdout == answers[1].stdout
    assert any(name in answers[0].stdout for name in NAMES.values())


def edit(change: Callable[[onnx.ModelProto], object]) -> Callable[[Path], object]:
    def spoil(file: Path) -> None:
        model = onnx.load(logits_file(file))
        change(model)
        onnx.save(model, file)

    return spoil


def add_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1, 3, SIZE, SIZE]))


def point_outside(model: onnx.ModelProto) -> None:
    constant = model.graph.initializer[0]
    constant.ClearField("raw_data")
    constant.data_location = TensorProto.EXTERNAL
    constant.external_data.add(key="location", value="../../etc/hostname")


def use_custom_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.example"


def give_maps(model: onnx.ModelProto) -> None:
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    del model.graph.output[:]
    model.graph.output.append(helper.make_empty_tensor_value_info(conv.output[0]))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "two inputs": (edit(add_input), "it has 2 inputs (x, other)"),
    "a file outside": (edit(point_outside), "a file outside its folder"),
    "a custom operator": (edit(use_custom_operator), "com.example.Conv is not one of ONNX"),
    "no scores": (edit(give_maps), "no output has one score for each class"),
    "four channels": (
        lambda file: export(nn.Conv2d(4, 2, 1), torch.zeros(1, 4, 8, 8), file),
        "no images with 1 or 3 channels",
    ),
    "a batch of 2": (
        lambda file: export(Classifier(same, same), FIRST.repeat(2, 1, 1, 1), file),
        "2 images at a time",
    ),
    "a truncated file": (
        lambda file: file.write_bytes(logits_file(file).read_bytes()[:-200]),
        "cannot be used",
    ),
    "not ONNX": (lambda file: file.write_text("hello", encoding="utf-8"), "cannot be used"),
}


@pytest.mark.parametrize("problem", REFUSED)
def test_what_cannot_be_used_is_refused_in_one_line(
    problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil, message = REFUSED[problem]
    spoil(tmp_path / "net.onnx")
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    with pytest.raises(CnncliError) as error:
        prepare(Reference(str(tmp_path / "net.onnx"), foreign=ForeignOptions(UNIT, SQUASH)), NullProgress())
    assert message in error.value.message
    assert "\n" not in error.value.message
    assert not list((tmp_path / "home").glob("models-*/*"))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "net.onnx"
    export(nn.Conv2d(3, 2, 1), torch.zeros(1, 3, 8, 8), file)
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(foreign_file, "_LARGEST", file.stat().st_size - 1)
    monkeypatch.delattr(onnx, "load")
    with pytest.raises(CnncliError, match="more than 2 GB of weights"):
        prepare(Reference(str(file), foreign=ForeignOptions(UNIT, SQUASH)), NullProgress())


def test_options_that_have_no_effect_are_refused(tmp_path: Path) -> None:
    file = logits_file(tmp_path / "net.onnx")
    with pytest.raises(UsageError, match="only for ONNX files"):
        Reference("resnet50", foreign=ForeignOptions(UNIT))
    with pytest.raises(UsageError, match="takes images of 24 x 24 pixels only"):
        prepare(
            Reference(str(file), image_size=(32, 32), foreign=ForeignOptions(UNIT, SQUASH)), NullProgress()
        )
    with pytest.raises(UsageError, match="smaller than the input"):
        prepare(Reference(str(file), foreign=ForeignOptions(UNIT, ResizeTo("20"))), NullProgress())
    export(Classifier(same, torch.relu), FIRST, file)
    with pytest.raises(UsageError, match="does not say whether its scores are logits or probabilities"):
        prepare(Reference(str(file), foreign=ForeignOptions(UNIT, SQUASH)), NullProgress())
    with pytest.raises(UsageError, match="'tall' is unknown"):
        ResizeTo("tall")
