"""Every command of the README and of the pages in docs/ is run as it stands there, and what they print is compared.

`pytest tests/test_readme.py -m 'slow or full' --update` writes what is shown, and the picture of a terminal, anew.
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
from tests import shown
from tests.conftest import ROOT

README = ROOT / "README.md"
PAGES = [
    ROOT / "docs" / f"{name}.md" for name in ("predicting", "networks", "training", "evaluating", "exporting")
]
"""In their order: a later one uses what an earlier one has made."""
ELSEWHERE = ("pip install", "pytest")
"""Done by .ci/run itself, in an environment of its own."""
COURSE = ROOT / "docs" / "course.md"
PICTURES = ROOT / "docs" / "pictures"
PICTURE = PICTURES / "predict.svg"
PICTURED = "cnncli predict sample_images/{banana,goldfish,monarch,school_bus,teapot}.jpg -k 3"
NO_HUB = {"HF_ENDPOINT": "http://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model that readers have, where the pages name none."""
    monkeypatch.delenv("CNNCLI_MODEL")


pytestmark = pytest.mark.skipif(os.name != "posix", reason="the pages' pipelines are a POSIX shell's")


def steps_of(page: Path) -> list[shown.Step]:
    """A page's commands, without those that install and test."""
    return [
        step
        for step in shown.steps(page.read_text(encoding="utf-8"))
        if not step.command.startswith(ELSEWHERE)
    ]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What the README's commands find beside them."""
    shutil.copytree(ROOT / "sample_images", tmp_path / "sample_images")
    shutil.copy(README, tmp_path)
    return tmp_path


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "page",
    [pytest.param(README, marks=pytest.mark.slow), pytest.param(COURSE, marks=pytest.mark.full)],
    ids=lambda page: page.stem,
)
def test_what_a_page_shows(
    page: Path, clone: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    home = str(tmp_path_factory.mktemp("home"))
    steps = steps_of(page)
    assert len(steps) > 8
    shown.run(f"cnncli pull {DEFAULT} --offline", clone, CNNCLI_HOME=home)
    said = {step.command: shown.run(step.command, clone, CNNCLI_HOME=home, **NO_HUB) for step in steps}
    drawn = sorted([*clone.glob("*.png"), *(clone / "pictures").glob("*.png")])
    if request.config.getoption("--update"):
        page.write_text(shown.rewritten(page.read_text(encoding="utf-8"), said), encoding="utf-8")
        for picture in drawn:
            shutil.copy(picture, PICTURES)
    differing = [
        f"{step}\n--- but now\n" + "\n".join(said[step.command])
        for step in steps_of(page)
        if not shown.is_still_so(step, said[step.command])
    ]
    assert not differing, "\n\n".join(differing)
    for picture in drawn:
        with Image.open(picture) as now, Image.open(PICTURES / picture.name) as before:
            assert now.size == before.size, picture


@pytest.mark.slow
def test_the_picture_of_a_terminal(clone: Path, request: pytest.FixtureRequest) -> None:
    shown.run(f"cnncli pull {DEFAULT} --offline", clone)
    said = shown.run(PICTURED, clone, TERM="xterm-256color", COLORTERM="truecolor", **NO_HUB)
    now = shown.picture(PICTURED, said)
    if request.config.getoption("--update"):
        PICTURES.mkdir(exist_ok=True)
        PICTURE.write_text(now, encoding="utf-8")
    lines = shown.lines_of(PICTURE.read_text(encoding="utf-8"))
    assert any("goldfish" in line for line in lines)
    assert shown.alike(lines, shown.lines_of(now))


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with everything that the other pages speak of."""
    for name in ("photo.jpg", "photos/a.jpg", "photos/b.png", "more/deep/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((300, 200), 70).convert("RGB").save(tmp_path / name)
    small = Reference("test_resnet", pretrained=False, image_size=(48, 48))
    shutil.copytree(prepare(small, NullProgress()).path, tmp_path / "my-model-folder")
    network = zoo.build(Architecture("torchvision", "squeezenet1_0", 1000))
    save_file(network.state_dict(), tmp_path / "squeezenet1_0.safetensors")
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_commands_of_the_other_pages(desk: Path) -> None:
    steps = [step for page in PAGES for step in steps_of(page)]
    assert len(steps) > 30
    for step in steps:
        said = shown.run(step.command, desk, **NO_HUB)
        assert not step.shown or shown.is_still_so(step, said), f"{step}\n--- but now\n" + "\n".join(said)
        if "datasets get" in step.command:  # a tenth of the digits teaches the same commands
            shown.run("find photos-by-class -name '*[1-9].png' -delete", desk)
    assert (desk / "answers.csv").read_text().count("ok,1,") == 2
    assert (desk / "sheet.png").exists()
    assert (desk / "how-good" / "report.html").exists()
    label, probability = _script_without_cnncli(desk).rsplit(maxsplit=1)
    (line,) = shown.run("cnncli predict photo.jpg -m net.onnx | cat", desk)
    _, said_label, said_probability = line.split("\t")
    assert label == said_label
    assert float(probability) == pytest.approx(float(said_probability), abs=0.01)


def _script_without_cnncli(desk: Path) -> str:
    """What the script of docs/exporting.md prints in a Python that has not loaded cnncli."""
    (script,) = re.findall(r"```python\n(.*?)```", PAGES[-1].read_text(encoding="utf-8"), re.DOTALL)
    assert script.count("\n") <= 12
    (desk / "script.py").write_text(
        script + "import sys\nassert not {'cnncli', 'torch'} & set(sys.modules)\n"
    )
    command = [sys.executable, "script.py"]
    return subprocess.run(command, cwd=desk, capture_output=True, text=True, check=True).stdout


def test_every_option_of_the_pages_exists() -> None:
    """Of our own commands; `--no-deps` and `--index-url` are pip's, `--nproc-per-node` torchrun's."""
    helps = [
        subprocess.run(
            [sys.executable, "-m", "cnncli", command, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for command in COMMANDS
    ]
    text = "\n".join(page.read_text(encoding="utf-8") for page in (README, COURSE, *PAGES))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {
        "--no-deps",
        "--index-url",
        "--nproc-per-node",
        "--install-completion",
    }
    assert named
    assert not [option for option in named if not any(option in page for page in helps)]


def test_every_link_of_the_pages_leads_somewhere() -> None:
    for page in (README, COURSE, *PAGES):
        links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
        assert not [link for link in links if not (page.parent / link).exists()], page
