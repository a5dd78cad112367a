"""`cnncli export` for LiteRT, ExecuTorch and Core ML; a case is skipped where the package is not installed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnncli.export.targets import TARGETS
from cnncli.records.exporting import Target
from tests import console_blocks
from tests.conftest import ROOT, Cnncli

PHOTO = ROOT / "sample_images" / "orange.jpg"

pytestmark = pytest.mark.slow  # the converters take half a minute to import


def export(cnncli: Cnncli, model: Path, target: Target, folder: Path) -> Any:
    if package := TARGETS[target].package:
        pytest.importorskip(package)
    file = folder / f"net{TARGETS[target].ending}"
    result = cnncli("export", model, "-o", file, "--check", PHOTO, "--license", "CC0-1.0", "-f", "json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("target", [Target.LITERT, Target.EXECUTORCH])
def test_probabilities_are_those_of_predict(
    cnncli: Cnncli, tiny_64: Path, layers_tasks: Path, tmp_path: Path, target: Target
) -> None:
    for model in (tiny_64, layers_tasks):
        (tmp_path / model.name).mkdir()
        actual = export(cnncli, model, target, tmp_path / model.name)
        assert (actual["target"], actual["checked_images"], actual["agreement"]) == (target, 1, 1)
        assert actual["max_difference"] < 1e-4
        facts = json.loads((tmp_path / model.name / "net.json").read_text())
        assert facts["license"] == "CC0-1.0"
        assert facts["preprocessing"]["size"]
    assert [task["name"] for task in facts["tasks"]] == ["colour", "mood"]


@pytest.mark.parametrize("target", [Target.LITERT, Target.EXECUTORCH])
def test_the_example_on_the_page(cnncli: Cnncli, tmp_path: Path, target: Target) -> None:
    page = (ROOT / "docs" / "exporting.md").read_text(encoding="utf-8")
    for name, text in console_blocks.files(page).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    file = Path(export(cnncli, Path("pocket"), target, tmp_path)["file"])
    file.rename(tmp_path / f"fruit{file.suffix}")
    (tmp_path / "net.json").rename(tmp_path / "fruit.json")
    result = subprocess.run(
        [sys.executable, f"classify_{target}.py", PHOTO],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    predicted = cnncli("predict", PHOTO, "-m", "pocket").stdout.split("\t")
    name, _, probability = result.stdout.strip().splitlines()[-1].rpartition(" ")
    assert name == predicted[1]
    assert float(probability) == pytest.approx(float(predicted[2]), abs=1e-3)


def test_a_core_ml_package_describes_the_network(cnncli: Cnncli, layers_tasks: Path, tmp_path: Path) -> None:
    actual = export(cnncli, layers_tasks, Target.COREML, tmp_path)
    import coremltools

    model = coremltools.models.MLModel(actual["file"], skip_model_load=True)
    specification = model.get_spec()
    assert [item.name for item in specification.description.input] == ["images"]
    assert [item.name for item in specification.description.output] == ["probabilities"]
    assert json.loads(model.user_defined_metadata["class_names"])[:2] == ["red", "green"]
    assert actual["bytes"] > 1000
