"""Every command that the README shows is run as it stands there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import save_file

from cnncli.cli.app import COMMANDS
from cnncli.networks import zoo
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.networks import Architecture
from cnncli.records.progress import Silence

README = (Path(__file__).parents[1] / "README.md").read_text()
NOT_HERE = ("pip install", "pytest", "cnncli predict photos/ --model resnet50")
"""Done by .ci/run itself, in an environment of their own; or in need of a hub (see tests/networks/test_hub.py)."""


def shown_commands() -> list[str]:
    """The lines after a dollar sign, in their order, without those that install and test."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    lines = [
        line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")
    ]
    return [line for line in lines if not line.startswith(NOT_HERE)]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with everything that the README speaks of."""
    for name in ("photo.jpg", "photos/a.jpg", "photos/b.png", "more/deep/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((300, 200), 70).convert("RGB").save(tmp_path / name)
    small = Reference("test_resnet", pretrained=False, image_size=(48, 48))
    shutil.copytree(prepare(small, Silence()).path, tmp_path / "my-model-folder")
    network = zoo.build(Architecture("torchvision", "squeezenet1_0", 1000))
    save_file(network.state_dict(), tmp_path / "squeezenet1_0.safetensors")
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(os.name != "posix", reason="the README's pipelines are a POSIX shell's")
def test_the_commands_of_the_readme(desk: Path) -> None:
    commands = shown_commands()
    assert len(commands) >= 8
    programs = Path(sys.executable).parent
    fewer = (
        "find photos-by-class -name '*[1-9].png' -delete"  # a tenth of the digits teaches the same commands
    )
    script = "set -eo pipefail\n" + "\n".join(
        f"{command}\n{fewer if 'datasets get' in command else ''}\necho done >&2" for command in commands
    )
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(
        ["bash", "-c", script], cwd=desk, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("done\n") == len(commands)
    assert "Traceback" not in result.stderr
    assert (desk / "answers.csv").read_text().count("ok,1,") == 2
    assert (desk / "sheet.png").exists()
    assert (desk / "how-good" / "report.html").exists()
    label, probability = _script_without_cnncli(desk).rsplit(maxsplit=1)
    said = subprocess.run(
        ["cnncli", "predict", "photo.jpg", "-m", "net.onnx"],
        cwd=desk,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\t")
    assert label == said[1]
    assert float(probability) == pytest.approx(float(said[2]), abs=0.01)


def _script_without_cnncli(desk: Path) -> str:
    """What the README's script prints in a Python that has not loaded cnncli."""
    (script,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert script.count("\n") <= 12
    (desk / "script.py").write_text(
        script + "import sys\nassert not {'cnncli', 'torch'} & set(sys.modules)\n"
    )
    command = [sys.executable, "script.py"]
    return subprocess.run(command, cwd=desk, capture_output=True, text=True, check=True).stdout


def test_every_option_of_the_readme_exists() -> None:
    """Of our own commands; `--no-deps` is pip's, `--nproc-per-node` torchrun's."""
    pages = [
        subprocess.run(
            [sys.executable, "-m", "cnncli", command, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for command in COMMANDS
    ]
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) - {"--no-deps", "--nproc-per-node"}
    assert named
    assert not [option for option in named if not any(option in page for page in pages)]
