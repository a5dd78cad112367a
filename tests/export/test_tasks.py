"""An exported network with tasks gives the probabilities that predict and torch give."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from cnncli.images.sources import sources
from cnncli.inference import ImageOutput, Session
from cnncli.networks.model_folder import open_folder
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.engines import EngineName, EngineOptions, InferenceOptions
from cnncli.records.progress import NullProgress
from tests.conftest import Cnncli
from tests.networks_for_tests import LABELS, TASKS


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    folder = tmp_path / "noise"
    folder.mkdir()
    draws = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(draws.integers(0, 256, (20, 16, 3), np.uint8)).save(folder / f"{number}.png")
    return folder


def shares(model: Path, engine: EngineName, images: Path) -> NDArray[np.float32]:
    folder = prepare(Reference(str(model)), NullProgress())
    session = Session(folder, InferenceOptions(EngineOptions(engine)), NullProgress())
    outputs = [
        item for item in session.probabilities(sources([str(images)])) if isinstance(item, ImageOutput)
    ]
    return np.stack([output.values for output in outputs])


def test_torch_onnx_and_the_exported_file_agree(
    cnncli: Cnncli, layers_tasks: Path, noise: Path, tmp_path: Path
) -> None:
    file = tmp_path / "net.onnx"
    result = cnncli("export", layers_tasks, "-o", file, "--check", noise, "-f", "json")
    assert result.exit_code == 0, result.stderr
    exported = json.loads(result.stdout)
    assert (exported["checked_images"], exported["agreement"]) == (5, 1)
    assert exported["max_difference"] < 1e-4
    expected = shares(layers_tasks, EngineName.TORCH, noise)
    np.testing.assert_allclose(expected[:, :3].sum(axis=1), 1, atol=1e-6)
    assert np.abs(expected[:, 3:].sum(axis=1) - 1).min() > 0.01  # each probability by itself
    np.testing.assert_allclose(shares(layers_tasks, EngineName.ONNX, noise), expected, atol=1e-4)
    np.testing.assert_allclose(shares(file, EngineName.ONNX, noise), expected, atol=1e-4)


@pytest.mark.parametrize(("model", "tasks"), [("colour_labels", LABELS), ("colour_tasks", TASKS)])
def test_the_file_names_its_tasks(
    cnncli: Cnncli, tmp_path: Path, model: str, tasks: Any, request: pytest.FixtureRequest
) -> None:
    file = tmp_path / "net.onnx"
    folder = open_folder(request.getfixturevalue(model))
    result = cnncli("export", folder.path, "-o", file)
    assert "100.0 % keep their answers" in result.stdout
    onnx.checker.check_model(file, full_check=True)
    network = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    facts = json.loads(network.get_modelmeta().custom_metadata_map["tasks"])
    assert [(task["name"], task["kind"]) for task in facts] == [(task.name, task.kind) for task in tasks]
    assert [task["thresholds"] and tuple(task["thresholds"]) for task in facts] == [
        task.thresholds for task in tasks
    ]
    (probabilities,) = network.run(["probabilities"], {"image": np.full((1, 9, 9, 3), (255, 0, 0), np.uint8)})
    strong = 1 / (1 + np.exp(-4))
    expected = (
        [strong, 0.5, 0.5] if tasks == LABELS else [0.964663, 0.017668, 0.017668, strong, strong, 1 - strong]
    )
    np.testing.assert_allclose(probabilities[0], expected, atol=1e-6)
    unpacked = prepare(Reference(str(file)), NullProgress())
    assert unpacked.card.tasks == tasks
    original = onnx.load(folder.require_graph()).graph
    graph = onnx.load(unpacked.require_graph()).graph
    assert [node.op_type for node in graph.node] == [node.op_type for node in original.node]
    assert [constant.name for constant in graph.initializer] == [item.name for item in original.initializer]


def test_predict_reads_it(cnncli: Cnncli, colour_tasks: Path, noise: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    cnncli("export", colour_tasks, "-o", file)
    for format_ in ("tsv", "jsonl"):
        answers = cnncli("predict", noise, "-m", file, "-f", format_)
        assert answers.exit_code == 0
        assert answers.stdout == cnncli("predict", noise, "-m", colour_tasks, "-f", format_).stdout


def test_a_quantized_network_is_compared_by_its_answers(
    cnncli: Cnncli, layers_tasks: Path, noise: Path, tmp_path: Path
) -> None:
    labels = ("red,cold", "red,", "green,warm|red", "blue,?", "blue,cold")
    rows = [f"{number}.png,{label}\n" for number, label in enumerate(labels)]
    (noise / "list.csv").write_text("path,colour,mood\n" + "".join(rows))
    for images in (noise, noise / "list.csv"):
        words = ("--quantize", "int8", "--calibrate", images, "--overwrite")
        result = cnncli("export", layers_tasks, "-o", tmp_path / "int8.onnx", *words)
        assert result.exit_code == 0, result.stderr
        assert "of 3 images keep their answers\n" in result.stdout
        assert "accuracy" not in result.stdout
