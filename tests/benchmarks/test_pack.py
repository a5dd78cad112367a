"""How the built-in model is made from a run."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.pocket import pack
from cnncli.engines.onnx import OnnxEngine
from cnncli.networks import model_folder, pocket, zoo
from cnncli.networks.zoo.weights import load_saved
from cnncli.training.features.temperature import inverse_temperature
from tests.conftest import Cnncli

NETWORK = "input 3x16x16; activation: relu; conv3-16 nobias batchnorm; conv3-16 nobias batchnorm; gap; FC-2; soft-max"


@pytest.fixture
def run(cnncli: Cnncli, tmp_path: Path) -> Path:
    """A run on two classes, dark and bright."""
    rng = np.random.default_rng(0)
    for name, level in {"dark": 60, "bright": 190}.items():
        folder = tmp_path / "light" / name
        folder.mkdir(parents=True)
        for number in range(10):
            pixels = np.clip(rng.normal(level, 30, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    output = tmp_path / "run"
    data = tmp_path / "light"
    cnncli("finetune", data, "-m", NETWORK, "--tune", "scratch", "--epochs", 1, "-o", output, "-q")
    return output


@pytest.mark.slow
def test_packing_divides_the_logits_by_the_temperature(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "packed"
    output.mkdir()
    original = model_folder.open_folder(run)
    packed = pack.pack(original, 2.0, ("n00000001", "n00000002"), output)
    model_folder.verify(packed)
    assert packed.card.name == "pocket"
    assert packed.card.synsets == ("n00000001", "n00000002")
    images = np.random.default_rng(1).normal(size=(4, 3, 16, 16)).astype(np.float32)
    before, after = (
        OnnxEngine(folder.path / model_folder.GRAPH).run(images) for folder in (original, packed)
    )
    np.testing.assert_allclose(after.logits, before.logits / 2, atol=5e-3)
    network = zoo.build(packed.card.architecture)
    load_saved(network, packed.weights)
    with torch.no_grad():
        np.testing.assert_allclose(network(torch.from_numpy(images)), after.logits, atol=5e-3)
    assert packed.weights.stat().st_size < original.weights.stat().st_size


def test_the_fitted_temperature_undoes_a_scaling_of_logits() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 5)).astype(np.float32) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) > rng.random((len(logits), 1))).argmax(axis=1)
    assert inverse_temperature(3 * logits.astype(np.float64), labels) == pytest.approx(1 / 3, rel=0.05)


@pytest.mark.slow
def test_a_model_with_other_classes_does_not_replace_pocket(run: Path) -> None:
    with pytest.raises(SystemExit, match="not pocket's classes"):
        pack.require_replacement(model_folder.open_folder(run))
    pack.require_replacement(model_folder.open_folder(pocket.FOLDER))
