"""Every command in the README and in docs/ runs as written, and prints what the page shows.

`pytest tests/test_readme.py -m 'slow or full' --update` updates the outputs on the pages, and the picture of a terminal.
"""

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
from cnncli.records.defaults import DEFAULT
from cnncli.records.networks import Architecture
from cnncli.records.progress import NullProgress
from tests import console_blocks
from tests.conftest import ROOT, Cnncli

README = ROOT / "README.md"
PAGES = [
    ROOT / "docs" / f"{name}.md" for name in ("predicting", "networks", "training", "evaluating", "exporting")
]
"""In this order: later pages use files that the commands of earlier ones write."""
SKIPPED_COMMANDS = ("pip install", "pytest")
""".ci/run runs these itself, in a fresh environment."""
COURSE = ROOT / "docs" / "course.md"
PICTURES = ROOT / "docs" / "pictures"
TERMINAL_PICTURE = PICTURES / "predict.svg"
TERMINAL_COMMAND = "cnncli predict sample_images/{banana,goldfish,monarch,school_bus,teapot}.jpg -k 3"
NO_HUB = {"HF_ENDPOINT": "http://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the default model, as readers do if a command names no model."""
    monkeypatch.delenv("CNNCLI_MODEL")


pytestmark = pytest.mark.skipif(os.name != "posix", reason="the pages use a POSIX shell")


def steps_of(page: Path) -> list[console_blocks.Step]:
    """The commands of a page, without those that install cnncli or run its tests."""
    return [
        step
        for step in console_blocks.steps(page.read_text(encoding="utf-8"))
        if not step.command.startswith(SKIPPED_COMMANDS)
    ]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the files of a clone that the commands use."""
    shutil.copytree(ROOT / "sample_images", tmp_path / "sample_images")
    shutil.copy(README, tmp_path)
    return tmp_path


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "page",
    [pytest.param(README, marks=pytest.mark.slow), pytest.param(COURSE, marks=pytest.mark.full)],
    ids=lambda page: page.stem,
)
def test_commands_print_what_the_page_shows(
    page: Path, clone: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    home = str(tmp_path_factory.mktemp("home"))
    steps = steps_of(page)
    assert len(steps) > 8
    console_blocks.run(f"cnncli pull {DEFAULT} --offline", clone, CNNCLI_HOME=home)
    outputs = {
        step.command: console_blocks.run(step.command, clone, CNNCLI_HOME=home, **NO_HUB) for step in steps
    }
    saved = sorted([*clone.glob("*.png"), *(clone / "pictures").glob("*.png")])
    if request.config.getoption("--update"):
        page.write_text(
            console_blocks.update_page(page.read_text(encoding="utf-8"), outputs), encoding="utf-8"
        )
        for picture in saved:
            shutil.copy(picture, PICTURES)
    differing = [
        f"{step}\n--- but now\n" + "\n".join(outputs[step.command])
        for step in steps_of(page)
        if not console_blocks.matches(step, outputs[step.command])
    ]
    assert not differing, "\n\n".join(differing)
    for picture in saved:
        with Image.open(picture) as now, Image.open(PICTURES / picture.name) as before:
            assert now.size == before.size, picture


@pytest.mark.slow
def test_the_terminal_picture_shows_the_current_output(clone: Path, request: pytest.FixtureRequest) -> None:
    console_blocks.run(f"cnncli pull {DEFAULT} --offline", clone)
    output = console_blocks.run(
        TERMINAL_COMMAND, clone, TERM="xterm-256color", COLORTERM="truecolor", **NO_HUB
    )
    now = console_blocks.terminal_svg(TERMINAL_COMMAND, output)
    if request.config.getoption("--update"):
        PICTURES.mkdir(exist_ok=True)
        TERMINAL_PICTURE.write_text(now, encoding="utf-8")
    lines = console_blocks.svg_lines(TERMINAL_PICTURE.read_text(encoding="utf-8"))
    assert any("goldfish" in line for line in lines)
    assert console_blocks.outputs_agree(lines, console_blocks.svg_lines(now))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A folder with all files that the commands on the other pages use."""
    for name in ("photo.jpg", "photos/a.jpg", "photos/b.png", "more/deep/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((300, 200), 70).convert("RGB").save(tmp_path / name)
    small = Reference("test_resnet", pretrained=False, image_size=(48, 48))
    shutil.copytree(prepare(small, NullProgress()).path, tmp_path / "my-model-folder")
    network = zoo.build(Architecture("torchvision", "squeezenet1_0", 1000))
    save_file(network.state_dict(), tmp_path / "squeezenet1_0.safetensors")
    return tmp_path


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_commands_of_the_other_pages_run(workspace: Path) -> None:
    steps = [step for page in PAGES for step in steps_of(page)]
    assert len(steps) > 30
    for step in steps:
        output = console_blocks.run(step.command, workspace, **NO_HUB)
        agrees = not step.output or console_blocks.matches(step, output)
        assert agrees, f"{step}\n--- but now\n" + "\n".join(output)
        if "datasets get" in step.command:  # a tenth of the digits is enough for the commands that follow
            console_blocks.run("find photos-by-class -name '*[1-9].png' -delete", workspace)
    assert (workspace / "answers.csv").read_text().count("ok,1,") == 2
    assert (workspace / "sheet.png").exists()
    assert (workspace / "how-good" / "report.html").exists()
    label, probability = _script_output(workspace).rsplit(maxsplit=1)
    (line,) = console_blocks.run("cnncli predict photo.jpg -m net.onnx | cat", workspace)
    _, cnncli_label, cnncli_probability = line.split("\t")
    assert label == cnncli_label
    assert float(probability) == pytest.approx(float(cnncli_probability), abs=0.01)


def _script_output(workspace: Path) -> str:
    """Output of the script in docs/exporting.md; it imports neither cnncli nor torch."""
    (script,) = re.findall(r"```python\n(.*?)```", PAGES[-1].read_text(encoding="utf-8"), re.DOTALL)
    assert script.count("\n") <= 12
    (workspace / "script.py").write_text(
        script + "import sys\nassert not {'cnncli', 'torch'} & set(sys.modules)\n"
    )
    command = [sys.executable, "script.py"]
    return subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=True).stdout


def test_every_option_on_the_pages_exists(cnncli: Cnncli) -> None:
    """Except options of other programs: `--no-deps` and `--index-url` are pip's, `--nproc-per-node` torchrun's."""
    helps = [cnncli(command, "--help").stdout for command in COMMANDS]
    text = "\n".join(page.read_text(encoding="utf-8") for page in (README, COURSE, *PAGES))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {
        "--no-deps",
        "--index-url",
        "--nproc-per-node",
        "--install-completion",
    }
    assert named
    assert not [option for option in named if not any(option in page for page in helps)]


def test_relative_links_on_the_pages_exist() -> None:
    for page in (README, COURSE, *PAGES):
        links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
        assert not [link for link in links if not (page.parent / link).exists()], page
