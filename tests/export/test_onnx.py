"""`cnncli export`: the same answers from one ONNX file, and back again."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import helper
from PIL import Image

from cnncli.engines.preprocessing import OPSET, preprocessing_graph
from cnncli.images.preprocess import preprocess
from cnncli.networks.model_folder import open_folder
from cnncli.records.networks import Interpolation, Preprocessing, Resize
from tests.conftest import Cnncli
from tests.networks_for_tests import colour_preprocessing


def session(cropped_preprocessing: Preprocessing) -> onnxruntime.InferenceSession:
    model = helper.make_model(
        preprocessing_graph(cropped_preprocessing),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=10,
    )
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@example((2, 8), Resize.SQUASH, Interpolation.BICUBIC, (5, 5), (2, 0), 3)
@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    mode=st.sampled_from(Resize),
    interpolation=st.sampled_from([Interpolation.BILINEAR, Interpolation.BICUBIC]),
    target=st.tuples(st.integers(5, 40), st.integers(5, 40)),
    extra=st.tuples(st.integers(-3, 9), st.integers(-3, 9)),
    channels=st.sampled_from([1, 3]),
)
def test_the_graph_preprocesses_as_predict_does(
    size: tuple[int, int],
    mode: Resize,
    interpolation: Interpolation,
    target: tuple[int, int],
    extra: tuple[int, int],
    channels: int,
) -> None:
    """For any size and any way to resize and crop: but for the last bit, and for a few values where a bicubic filter overshoots."""
    resize = (target[0] + extra[0], target[1] + extra[1])
    cropped_preprocessing = dataclasses.replace(
        colour_preprocessing(),
        channels=channels,
        size=target,
        resize=resize if mode is not Resize.SHORTER else (resize[0], resize[0]),
        resize_mode=mode,
        interpolation=interpolation,
        fill=(3, 50, 200)[:channels],
        mean=(0.4, 0.5, 0.6)[:channels],
        std=(0.2, 0.25, 0.3)[:channels],
    )
    values = np.random.default_rng(size).integers(0, 256, (size[1], size[0], channels), np.uint8)
    image = Image.fromarray(values if channels > 1 else values[:, :, 0])
    expected = preprocess(image, cropped_preprocessing)
    (actual,) = session(cropped_preprocessing).run(["images"], {"image": values[None]})
    assert actual.shape == (1, *expected.shape)
    bytes_apart = (
        np.abs(actual[0] - expected) * np.array(cropped_preprocessing.std, np.float32)[:, None, None] * 255
    )
    if interpolation is Interpolation.BILINEAR:
        assert bytes_apart.max() < 2.01
    assert (bytes_apart > 1.01).sum() <= max(0.05 * bytes_apart.size, 12)
    assert np.minimum(bytes_apart, 2).mean() < 0.7


def run(cnncli: Cnncli, *arguments: object) -> Any:
    result = cnncli("export", *arguments, "-f", "json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def patches(tmp_path: Path) -> Path:
    draws = np.random.default_rng(0)
    for name, colour in {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}.items():
        for number in range(4):
            pixels = np.clip(np.array(colour) + draws.normal(0, 50, (13, 17, 3)), 0, 255).astype(np.uint8)
            file = tmp_path / "patches" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    return tmp_path / "patches"


def predicted(cnncli: Cnncli, model: Path, images: Path) -> list[Any]:
    result = cnncli("predict", images, "-m", model, "-f", "json")
    assert result.exit_code == 0, result.stderr
    actual: list[Any] = json.loads(result.stdout)
    return actual


@pytest.mark.parametrize("options", [[], ["--input", "float"], ["--half"]])
def test_predict_reads_an_exported_network(
    cnncli: Cnncli, tiny: Path, patches: Path, options: list[str]
) -> None:
    file = patches.parent / "net.onnx"
    actual = run(cnncli, tiny, "-o", file, "--check", patches, *options)
    assert actual["checked_images"] == 12
    assert actual["max_difference"] < 0.01
    assert actual["bytes"] == file.stat().st_size
    onnx.checker.check_model(file, full_check=True)
    assert (actual["bytes"] < 0.7 * actual["original_bytes"]) == (options == ["--half"])
    for mine, theirs in zip(predicted(cnncli, file, patches), predicted(cnncli, tiny, patches), strict=True):
        assert [item["label"] for item in mine["predictions"]][:1] == [
            item["label"] for item in theirs["predictions"]
        ][:1]
        for one, other in zip(mine["predictions"], theirs["predictions"], strict=True):
            assert one["probability"] == pytest.approx(
                other["probability"], abs=1e-3 if "--half" in options else 1e-6
            )


def test_the_file_contains_class_names_preprocessing_and_license(
    cnncli: Cnncli, colours: Path, patches: Path
) -> None:
    file = patches.parent / "colours.onnx"
    run(cnncli, colours, "-o", file, "--license", "CC0-1.0")
    onnx.checker.check_model(onnx.load(file))
    network = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    facts = network.get_modelmeta().custom_metadata_map
    assert json.loads(facts["class_names"]) == ["red", "green", "blue"]
    assert facts["license"] == "CC0-1.0"
    assert run(cnncli, file, "-o", file.with_name("again.onnx"))["license"] == "CC0-1.0"
    assert json.loads(facts["cnncli_card"])["name"] == "colours"
    assert [(item.name, item.type, item.shape) for item in network.get_inputs()] == [
        ("image", "tensor(uint8)", ["N", "H", "W", 3])
    ]
    assert [item.name for item in network.get_outputs()] == ["probabilities", "embedding"]
    images = np.stack([np.full((30, 20, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255))])
    probabilities, embedding = network.run(None, {"image": images})
    assert probabilities.argmax(axis=1).tolist() == [0, 2]
    assert embedding.shape == (2, 3)


@pytest.mark.slow
def test_int8_reports_its_cost(cnncli: Cnncli, tiny: Path, colours: Path, patches: Path) -> None:
    file = patches.parent / "small.onnx"
    actual = run(cnncli, colours, "-o", file, "--quantize", "int8", "--calibrate", patches)
    assert actual["quantization"]["images"] == 6  # the other half gave the ranges
    assert actual["quantization"]["accuracy_before"] == 1
    shutil.copytree(patches, patches.parent / "split" / "train")
    shutil.copytree(patches, patches.parent / "split" / "val")
    actual = run(
        cnncli,
        colours,
        "-o",
        file,
        "--overwrite",
        "--quantize",
        "int8",
        "--calibrate",
        patches.parent / "split",
    )
    assert actual["quantization"]["images"] == 12
    again = predicted(cnncli, file, patches)
    labels = [(item["predictions"][0]["label"], Path(item["path"]).parent.name) for item in again]
    assert (
        np.mean([exported_class == true for exported_class, true in labels])
        == actual["quantization"]["accuracy_after"]
    )
    strange = run(cnncli, tiny, "-o", file, "--overwrite", "--quantize", "int8", "--calibrate", patches)
    assert (
        strange["quantization"]["accuracy_before"] is None
    )  # red, green and blue are no classes of that network
    assert strange["bytes"] < 0.6 * strange["original_bytes"]


def test_a_run_is_exported_with_its_classifier(
    cnncli: Cnncli, colours: Path, patches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(patches.parent)
    cnncli("finetune", patches, "-m", colours, "--tune", "features", "--classifier", "knn", "-o", "knn", "-q")
    actual = run(cnncli, "knn", "-o", "knn.onnx", "--check", patches)
    assert actual["agreement"] == 1
    assert predicted(cnncli, Path("knn.onnx"), patches)[0]["predictions"][0]["label"] == "blue"


def test_an_exported_network_predicts_and_gives_features(
    cnncli: Cnncli, colours: Path, patches: Path
) -> None:
    file = patches.parent / "colours.onnx"
    run(cnncli, colours, "-o", file)
    assert json.loads(cnncli("evaluate", patches, "-m", file, "-f", "json").stdout)["top1"] == 1
    refused = cnncli("finetune", patches, "-m", file, "--tune", "full", "-o", patches.parent / "run")
    assert refused.exit_code == 1
    assert "is an exported network" in refused.stderr
    anew = cnncli("finetune", patches, "-m", file, "--tune", "scratch", "-o", patches.parent / "run")
    assert (anew.exit_code, f"{file} is an exported network" in anew.stderr) == (1, True)
    assert cnncli("predict", patches, "-m", file, "--img-size", 9).exit_code == 2
    cut = cnncli("finetune", patches, "-m", file, "--layer", "last", "--tune", "features")
    assert (cut.exit_code, "is an exported network" in cut.stderr) == (1, True)
    asked = cnncli("summary", file)
    assert (asked.exit_code, "is an exported network" in asked.stderr) == (1, True)
    bf16 = cnncli("predict", patches, "-m", file, "--precision", "bf16")
    assert (bf16.exit_code, "runs on ONNX Runtime only" in bf16.stderr) == (2, True)


def test_images_that_predict_cannot_read_are_not_compared(cnncli: Cnncli, tiny: Path, patches: Path) -> None:
    """An image so narrow that resizing it would fill the memory."""
    Image.new("L", (60_000, 2)).save(patches / "red" / "narrow.png")
    assert run(cnncli, tiny, "-o", patches.parent / "net.onnx", "--check", patches)["checked_images"] == 12


def test_bad_input_is_one_line(cnncli: Cnncli, colours: Path, patches: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    (tmp_path / "there.onnx").write_text("something")
    (tmp_path / "plain.onnx").write_bytes(open_folder(colours).path.joinpath("model.onnx").read_bytes())
    refused: list[tuple[list[object], int, str]] = [
        (["export", colours, "-o", tmp_path / "net.bin"], 2, "does not end in .onnx"),
        (["export", colours, "-o", tmp_path / "there.onnx"], 1, "already exists"),
        (["export", colours, "-o", tmp_path / "no" / "net.onnx"], 1, "cannot write"),
        (["export", colours, "-o", file, "--quantize", "int8"], 2, "--quantize needs images"),
        (["export", colours, "-o", file, "--calibrate", patches], 2, "--calibrate has no effect"),
        (["export", colours, "-o", file, "--check", tmp_path / "none.png"], 1, "cannot be read"),
        (["predict", patches, "-m", tmp_path / "there.onnx"], 1, "cannot be used"),
        (["predict", patches, "-m", tmp_path / "plain.onnx"], 2, "does not say how images are prepared"),
    ]
    for arguments, code, words in refused:
        result = cnncli(*arguments)
        assert (result.exit_code, words in result.stderr) == (code, True), (arguments, result.stderr)
        assert result.stderr.count("error: ") == 1
    assert not file.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
