"""`cnncli export` for OpenVINO: the same answers, with preprocessing, class names and tasks in the file."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.images.sources import image_source
from cnncli.inference import Session
from cnncli.networks.model_folder import open_folder
from cnncli.records.engines import EngineName, EngineOptions, InferenceOptions
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import NullProgress
from tests.conftest import ROOT, Cnncli

openvino = pytest.importorskip("openvino")

PHOTOS = sorted((ROOT / "sample_images").glob("*.jpg"))[:5]


def probabilities_of(model: Path) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    session = Session(open_folder(model), InferenceOptions(EngineOptions(EngineName.ONNX)), NullProgress())
    outputs = list(session.probabilities(image_source(str(photo)) for photo in PHOTOS))
    return [output.values for output in outputs if not isinstance(output, Unreadable)]


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--half",)])
def test_photographs_get_the_probabilities_of_predict(
    cnncli: Cnncli, tiny_64: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    file = tmp_path / "net.xml"
    result = cnncli("export", tiny_64, "-o", file, "-f", "json", *options)
    assert result.exit_code == 0, result.stderr
    actual = json.loads(result.stdout)
    assert (actual["target"], actual["companions"]) == ("openvino", [str(tmp_path / "net.bin")])
    assert actual["checked_images"] == 2
    assert (actual["bytes"] < 0.7 * actual["original_bytes"]) == bool(options)
    network = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for photo, expected in zip(PHOTOS, probabilities_of(tiny_64), strict=True):
        with Image.open(photo) as image:
            values = network([np.asarray(image.convert("RGB"))[None]])["probabilities"][0]
        assert values == pytest.approx(expected, abs=2e-3 if options else 5e-4)


def test_the_file_describes_the_network(cnncli: Cnncli, colour_tasks: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.xml"
    options = ("--target", "openvino", "--input", "float", "--license", "CC0-1.0")
    assert cnncli("export", colour_tasks, "-o", file, *options).exit_code == 0
    model = openvino.Core().read_model(file)
    assert model.get_rt_info(["model_info", "labels"]).astype(str) == "red green blue warm red cold"
    facts = {
        name: model.get_rt_info(["cnncli", name]).astype(str)
        for name in ("class_names", "tasks", "preprocessing", "license")
    }
    assert json.loads(facts["class_names"]) == ["red", "green", "blue", "warm", "red", "cold"]
    assert [task["kind"] for task in json.loads(facts["tasks"])] == ["single-label", "multi-label"]
    assert json.loads(facts["preprocessing"])["resize_mode"] == "squash"
    assert facts["license"] == "CC0-1.0"
    network = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    (shares,) = network([np.full((1, 3, 8, 8), 0.5, np.float32)])["probabilities"]
    assert shares[:3].sum() == pytest.approx(1, abs=1e-5)
    assert shares[3:].tolist() == pytest.approx([0.881, 0.119, 0.5], abs=1e-3)


def test_nothing_is_replaced(cnncli: Cnncli, colours: Path, tmp_path: Path) -> None:
    (tmp_path / "net.bin").write_text("mine")
    result = cnncli("export", colours, "-o", tmp_path / "net.xml")
    assert result.exit_code == 1
    assert f"{tmp_path / 'net.bin'} already exists" in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["net.bin"]
    assert cnncli("export", colours, "-o", tmp_path / "net.xml", "--overwrite").exit_code == 0
