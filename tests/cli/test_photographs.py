"""HEIC and RAW files pass through every command, and are classified as their JPEG is."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, Cnncli, arrays_of
from tests.photographs_for_tests import write_dng, write_heic

pytestmark = pytest.mark.slow
pytest.importorskip("rawpy")
pytest.importorskip("pi_heif")

NAMES = ("lemon", "orange")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two classes, with the same photograph as JPEG, HEIC and DNG, and the latter two also stored rotated."""
    root = tmp_path_factory.mktemp("mixed")
    for name in NAMES:
        folder = root / name
        folder.mkdir()
        image = Image.open(ROOT / "sample_images" / f"{name}.jpg")
        image.load()
        image.save(folder / "a.jpg", quality=95)
        write_heic(image, folder / "a.heic")
        write_dng(image, folder / "a.dng")
        rotated = image.rotate(90, expand=True)
        write_heic(rotated, folder / "a-6.heic", orientation=6)
        write_dng(rotated, folder / "a-6.dng", orientation=6, preview=rotated)
    return root


def test_predict(cnncli: Cnncli, mixed: Path) -> None:
    result = cnncli("predict", mixed, "-f", "jsonl", "-k", "1")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert (result.exit_code, len(records)) == (0, 10)
    for record in records:
        (score,) = record["predictions"]
        assert score["label"] == Path(record["path"]).parent.name


def test_features(cnncli: Cnncli, mixed: Path, tmp_path: Path) -> None:
    assert cnncli("features", mixed, "-o", tmp_path / "features.npz").exit_code == 0
    arrays = arrays_of(tmp_path / "features.npz")
    assert len(arrays["paths"]) == 10


def test_check_sees_the_same_photograph_in_every_format(cnncli: Cnncli, mixed: Path) -> None:
    result = cnncli("check", mixed, "-f", "json")
    (finding,) = json.loads(result.stdout)["findings"]
    assert (finding["kind"], [len(paths) for paths in finding["examples"]]) == ("duplicates", [5, 5])


def test_finetune(cnncli: Cnncli, mixed: Path, tmp_path: Path) -> None:
    result = cnncli("finetune", mixed, "--tune", "features", "-o", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    assert "could not be read" not in result.stderr


def test_a_folder_with_a_raw_file_of_a_camera_passes_through(
    shared: Path, cnncli: Cnncli, mixed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(mixed, folder)
    shutil.copy(shared / "data" / "raw" / "kodak_dc50.kdc", folder / "lemon")
    result = cnncli("predict", folder, "-f", "jsonl", "-k", "1")
    assert result.exit_code == 0, result.stdout
    assert len(result.stdout.splitlines()) == 11
    assert cnncli("features", folder, "-o", tmp_path / "features.npz").exit_code == 0
    assert np.isfinite(arrays_of(tmp_path / "features.npz")["embeddings"]).all()
    (finding,) = json.loads(cnncli("check", folder, "-f", "json").stdout)["findings"]
    assert finding["kind"] == "duplicates"
    result = cnncli("finetune", folder, "--tune", "features", "-o", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    assert "could not be read" not in result.stderr
