"""The built-in model, as its users meet it."""

import csv
import dataclasses
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli.networks import model_folder, pocket
from cnncli.networks.blueprint.parser import parse
from cnncli.networks.blueprint.writer import to_text
from cnncli.training import options
from cnncli.training.settings import FinetuneSettings
from tests.conftest import ROOT, Cnncli, Imports, Program

MEASUREMENTS = ROOT / "benchmarks" / "pocket"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_its_files_are_complete_and_small() -> None:
    folder = model_folder.open_folder(pocket.FOLDER)
    model_folder.verify(folder)
    assert folder.card.name == pocket.NAME
    assert len(folder.card.class_names) == len(folder.card.synsets or ()) == 200
    assert all(facts.bytes < 5_000_000 for facts in folder.card.files)
    assert sum(file.stat().st_size for file in pocket.FOLDER.iterdir() if file.is_file()) < 12_000_000


def test_it_predicts_without_torch(imports: Imports, photo: Path, home: Path) -> None:
    before = sorted(home.iterdir())
    result, packages = imports(
        "predict", photo, "-m", "pocket", "-f", "json", HF_ENDPOINT="http://127.0.0.1:9"
    )
    assert result.returncode == 0, result.stderr
    (record,) = json.loads(result.stdout)
    assert len(record["predictions"]) == 5
    assert not packages & {"torch", "torchvision", "timm", "huggingface_hub"}
    assert sorted(home.iterdir()) == before


def test_torch_and_the_graph_agree(cnncli: Cnncli, photo: Path) -> None:
    probabilities = [
        json.loads(cnncli("predict", photo, "-f", "json", "-k", "200", "--engine", engine).stdout)
        for engine in ("onnx", "torch")
    ]
    first, second = (
        {item["label"]: item["probability"] for item in actual[0]["predictions"]} for actual in probabilities
    )
    assert first == pytest.approx(second, abs=2e-3)


def test_it_is_listed(cnncli: Cnncli) -> None:
    (entry,) = json.loads(cnncli("models", "pocket", "-f", "json").stdout)
    assert entry["parameters"] == 2_452_720
    assert "is part of cnncli" in cnncli("models", "rm", "pocket").stderr
    assert cnncli("summary", "pocket").stdout.count("2,452,720") == 1
    refused = cnncli("predict", "x.png", "-m", "pocket", "--img-size", "96")
    assert refused.exit_code == 2
    assert "pocket is a finished model folder; --img-size cannot change it" in refused.stderr
    assert "pocket" in cnncli("predict", "x.png", "-m", "pockt").stderr


@pytest.mark.slow
def test_doctor_checks_its_digests(program: Program) -> None:
    assert "pocket, prepared, digests match" in program("doctor", "--offline").stdout.decode()


def test_a_folder_called_pocket_does_not_replace_the_built_in_model(
    cnncli: Cnncli, photo: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo.parent)
    Path("pocket").symlink_to(colours)
    colour_names = {"red", "green", "blue"}
    for model, is_folder in (("pocket", False), ("./pocket", True)):
        (record,) = json.loads(cnncli("predict", photo, "-m", model, "-f", "json").stdout)
        assert ({item["label"] for item in record["predictions"]} == colour_names) is is_folder
    assert pocket.is_pocket("pocket")
    assert not pocket.is_pocket("./pocket")
    Path("mine").symlink_to(pocket.FOLDER)
    assert pocket.is_pocket("mine")


def test_its_files_agree() -> None:
    card = model_folder.open_folder(pocket.FOLDER).card
    assert card.preprocessing.size == card.architecture.image_size == pocket.SIZE
    assert card.architecture.blueprint is not None
    assert to_text(parse(card.architecture.blueprint)) == to_text(parse(pocket.BLUEPRINT.read_text()))
    recipe = tomllib.loads((pocket.FOLDER / "recipe.toml").read_text())
    assert recipe.keys() <= {
        *options.declarations(),
        *(field.name for field in dataclasses.fields(FinetuneSettings)),
    }
    with (MEASUREMENTS / "history.csv").open(newline="") as stream:
        epochs = [int(row["epoch"]) for row in csv.DictReader(stream)]
    assert epochs == list(range(1, recipe["epochs"] + 1))
    published = json.loads((MEASUREMENTS / "evaluation.json").read_text())
    assert {item["name"] for item in published["classes"]} == set(card.class_names)


def test_the_docs_state_its_measured_figures() -> None:
    """Each figure of its section is in its evaluation, or in what its benchmark wrote."""
    evaluation = json.loads((MEASUREMENTS / "evaluation.json").read_text())
    page = (ROOT / "docs" / "networks.md").read_text()
    section = " ".join(page.split("## pocket")[1].split("\n## ")[0].split())
    calibration_error = f"{100 * evaluation['calibration_error']:.1f}"
    assert (
        f"its top-1 accuracy is {100 * evaluation['top1']:.1f} %, its top-5 accuracy {100 * evaluation['top5']:.1f} %, and its "
        f"expected calibration error {calibration_error} %"
    ) in section
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text().split("<!-- pocket.measure -->")[1]
    measured = set(re.findall(r"\d+(?:\.\d+)?", results)) | {calibration_error}
    figures = set(re.findall(r"(?<![\w/.])\d[\d,]*(?:\.\d+)?(?= %| s\b| ms\b)", section))
    assert len(figures) > 10
    assert figures <= measured, figures - measured


def test_most_sample_images_are_correct_in_top_5(cnncli: Cnncli) -> None:
    files = sorted((ROOT / "sample_images").glob("*.jpg"))
    records = json.loads(cnncli("predict", *files, "-f", "json").stdout)
    firsts = [
        {item["label"].replace(" ", "_").lower() for item in record["predictions"]} for record in records
    ]
    right = [file.stem in first for file, first in zip(files, firsts, strict=True)]
    assert len(files) >= 12
    assert sum(right) >= len(files) / 2


@pytest.fixture
def shades(tmp_path: Path) -> Path:
    draws = np.random.default_rng(0)
    for name, colour in {"warm": (200, 110, 80), "cold": (80, 110, 200)}.items():
        folder = tmp_path / "shades" / name
        folder.mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(np.array(colour) + draws.normal(0, 40, (70, 64, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "shades"


@pytest.mark.slow
def test_its_features_transfer_to_other_classes_in_seconds(
    cnncli: Cnncli, shades: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    result = cnncli("finetune", shades, "--tune", "features", "-o", run)
    assert result.exit_code == 0, result.stderr
    hint = "pocket has an input of 80 x 80 pixels; tf_efficientnet_lite0, the default, is usually more accurate on photos"
    assert hint in result.stderr
    actual = {metric.name: metric.value for metric in model_folder.open_folder(run).card.metrics}
    assert actual["val_top1"] > 0.9
    assert hint not in cnncli("finetune", tmp_path / "nowhere").stderr


@pytest.mark.slow
def test_a_run_that_started_from_it_resumes(cnncli: Cnncli, shades: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    way = ("--tune", "last:1", "--epochs", "1", "-q")
    assert cnncli("finetune", shades, *way, "-o", run).exit_code == 0
    result = cnncli("finetune", "--resume", run, "--epochs", 2, "-q")
    assert result.exit_code == 0, result.stderr
    assert tomllib.loads((run / "settings.toml").read_text())["model"] == "pocket"


@pytest.mark.full
@pytest.mark.shared
@pytest.mark.timeout(600)
def test_its_evaluation_is_reproduced_from_the_shipped_folder(
    shared: Path, program: Program, tmp_path: Path
) -> None:
    data = shared / "data"
    unpack = [sys.executable, data / "unpack.py", tmp_path / "images", "--limit", "1"]
    subprocess.run([str(word) for word in unpack], check=True, capture_output=True)
    actual = json.loads(program("evaluate", tmp_path / "images" / "val", "-m", "pocket", "-f", "json").stdout)
    published = json.loads((MEASUREMENTS / "evaluation.json").read_text())
    assert actual["images"] == published["images"] == 10_000
    for name in ("top1", "top5", "calibration_error", "loss"):
        assert actual[name] == pytest.approx(published[name], abs=0.005)
    assert published["top1"] > 0.5
