"""Fine-tuning and evaluating on archives, Parquet files and servers gives the same as on a folder of the same images."""

import csv
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from cnncli import remote
from tests.conftest import Cnncli, some_slow
from tests.containers import write_parquet, write_tar
from tests.remote_stores import stores

KINDS = {"warm": (230, 90, 40), "cold": (40, 90, 230), "green": (60, 200, 80)}


@pytest.fixture(autouse=True)
def known_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with stores():
        yield


@pytest.fixture
def shades(tmp_path: Path) -> Path:
    """Three classes of ten images that differ in their mean colour."""
    rng = np.random.default_rng(0)
    for name, colour in KINDS.items():
        for number in range(10):
            pixels = np.clip(np.array(colour) + rng.normal(0, 40, (12, 16, 3)), 0, 255).astype(np.uint8)
            file = tmp_path / "shades" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    return tmp_path / "shades"


def members(shades: Path) -> dict[str, bytes]:
    return {f"{file.parent.name}/{file.name}": file.read_bytes() for file in sorted(shades.rglob("*.png"))}


def packed(shades: Path, kind: str) -> str:
    """The images of a folder in another place."""
    images = members(shades)
    match kind:
        case "tar":
            return str(write_tar(shades.parent / "shades.tar", images))
        case "parquet":
            labels = [name.partition("/")[0] for name in images]
            return str(
                write_parquet(
                    shades.parent / "shades.parquet", {"image": list(images.values()), "label": labels}
                )
            )
        case "remote":
            for name, content in images.items():
                remote.write(f"memory://b/shades/{name}", content, overwrite=True)
            return "memory://b/shades/"
        case _:
            remote.write(
                "memory://b/shades.tar",
                write_tar(shades.parent / "x.tar", images).read_bytes(),
                overwrite=True,
            )
            return "memory://b/shades.tar"


def run(cnncli: Cnncli, *arguments: object) -> Any:
    result = cnncli(*map(str, arguments), "-f", "json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def splits(folder: Path) -> dict[str, str]:
    """The path of each image in splits.csv, by its digest."""
    rows = csv.DictReader((folder / "splits.csv").read_text().splitlines())
    return {row["digest"]: row["path"] for row in rows}


@pytest.mark.parametrize("kind", some_slow(["tar", "parquet", "remote", "remote tar"], ["tar"]))
def test_features_and_evaluate(cnncli: Cnncli, shades: Path, colours: Path, kind: str) -> None:
    data = packed(shades, kind)
    output = run(cnncli, "finetune", data, "--tune", "features", "-m", colours, "-o", "runs/packed")
    assert output["images"] == {"train": 24, "val": 6, "test": 0}
    assert output["classifier"]["val"]["correct"] == 6
    assert len(splits(Path("runs/packed"))) == 30
    for place in (data, shades):  # the images that the run held out, in either place
        result = run(cnncli, "evaluate", place, "-m", "runs/packed")
        assert (result["split"], result["images"], result["top1"]) == ("val", 6, 1.0)


@pytest.mark.slow
def test_a_report_shows_images_of_an_archive(cnncli: Cnncli, shades: Path, colours: Path) -> None:
    data = packed(shades, "tar")
    run(cnncli, "finetune", data, "--tune", "features", "-m", colours, "-o", "runs/packed")
    run(cnncli, "evaluate", data, "-m", "runs/packed", "--split", "all", "-o", "results")
    assert "data:image/" in Path("results/report.html").read_text()


TRAINING = ["--tune", "scratch", "-m", "input 3x12x12; conv3-4; FC-3", "-b", "8", "-q"]


def weights(folder: str) -> dict[str, list[float]]:
    return {
        name: value.ravel().tolist() for name, value in load_file(Path(folder) / "model.safetensors").items()
    }


@pytest.mark.slow
def test_training_from_a_server_is_that_from_a_folder_and_resumes_on_either(
    cnncli: Cnncli, shades: Path
) -> None:
    url = packed(shades, "remote")
    run(cnncli, "finetune", shades, *TRAINING, "--epochs", 2, "-o", "runs/folder")
    run(cnncli, "finetune", url, *TRAINING, "--epochs", 2, "-o", "runs/remote")
    assert weights("runs/folder") == weights("runs/remote")
    run(cnncli, "finetune", "--resume", "runs/remote", "--epochs", 3, "-q")
    run(cnncli, "finetune", shades, "--resume", "runs/remote", "--epochs", 4, "-q")
    assert tomllib.loads(Path("runs/remote/settings.toml").read_text())["data"] == str(shades)


@pytest.mark.slow
def test_training_from_an_archive_resumes(cnncli: Cnncli, shades: Path) -> None:
    run(cnncli, "finetune", packed(shades, "tar"), *TRAINING, "--epochs", 1, "-o", "runs/tar")
    result = run(cnncli, "finetune", "--resume", "runs/tar", "--epochs", 2, "-q")
    assert result["folder"] == "runs/tar"


def test_check_reads_archives(cnncli: Cnncli, shades: Path) -> None:
    result = cnncli("check", packed(shades, "tar"))
    assert "30 images" in result.stdout
