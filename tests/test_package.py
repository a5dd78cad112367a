"""The wheel contains the built-in model and works alone; the sdist contains all files of the repository."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from cnncli.networks import model_folder, pocket
from cnncli.records.networks import CARD
from tests.conftest import ROOT, Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
IMAGE = ROOT / "sample_images" / "lemon.jpg"


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist and the wheel built from it."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    return folder


def test_the_wheel_works_outside_the_repository(
    distributions: Path, tmp_path: Path, program: Program
) -> None:
    (wheel,) = distributions.glob("*.whl")
    assert wheel.stat().st_size < 15_000_000
    alone = tmp_path / "alone"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(alone), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    command = [
        sys.executable,
        "-c",
        "import cnncli, sys; print(cnncli.__file__); from cnncli.cli.app import main; main()",
        *("predict", str(IMAGE), "-f", "json"),
    ]
    environment = os.environ | {"PYTHONPATH": str(alone), "CNNCLI_HOME": str(tmp_path / "home")}
    output = subprocess.run(
        command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    ).stdout
    package, records = output.split("\n", 1)
    assert Path(package).is_relative_to(alone)
    expected = json.loads(program("predict", IMAGE, "-f", "json").stdout)
    assert json.loads(records) == expected


def test_the_sdist_has_all_files_of_the_repository(distributions: Path) -> None:
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = [CARD, model_folder.GRAPH, model_folder.WEIGHTS]
    assert {f"cnncli/networks/{pocket.NAME}/{name}" for name in files} <= names
    if not (ROOT / ".git").exists():
        pytest.skip("not a git clone, so the list of files is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert not set(listed.stdout.split("\0")) - {""} - names
