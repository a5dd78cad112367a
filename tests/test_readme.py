"""Every command in the README and in docs/ runs as written, and prints what the page shows.

`pytest tests/test_readme.py -m 'slow or full' --update` updates the outputs on the pages, and their pictures.
"""

import ast
import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from cnncli.cli.app import COMMANDS
from cnncli.records.defaults import DEFAULT
from tests import console_blocks
from tests.conftest import ROOT, Cnncli

README = ROOT / "README.md"
DOCS = ROOT / "docs"
OTHER_TOOLS = DOCS / "coming-from.md"
"""Names options of other programs, too."""
PYTHON = DOCS / "python.md"
"""About `import cnncli`."""
COMMAND_REFERENCE = DOCS / "commands.md"
"""Generated from the help texts; tests/test_reference.py compares it."""
PAGES = [README, *sorted(set(DOCS.glob("*.md")) - {COMMAND_REFERENCE})]
SERVING = DOCS / "serving.md"
"""Its commands are for a service at `SERVICE`."""
SERVICE = "127.0.0.1:8000"
SKIPPED_COMMANDS = ("pip install", "pytest", "cnncli serve")
""".ci/run runs the first two itself, in a fresh environment; the last one does not end by itself."""
OPTIONAL_PROGRAMS = ("jq", "duckdb")
"""Commands that use one of these are not run where it is missing."""
PICTURES = DOCS / "pictures"
TERMINAL_PICTURE = PICTURES / "predict.svg"
TERMINAL_COMMAND = "cnncli predict sample_images/{banana,goldfish,monarch,school_bus,teapot}.jpg -k 3"
NO_HUB = {"HF_ENDPOINT": "http://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the default model, as readers do if a command names no model."""
    monkeypatch.delenv("CNNCLI_MODEL")


pytestmark = pytest.mark.skipif(os.name != "posix", reason="the pages use a POSIX shell")


def is_runnable(command: str) -> bool:
    missing = [name for name in OPTIONAL_PROGRAMS if not shutil.which(name)]
    return not command.startswith(SKIPPED_COMMANDS) and not any(
        re.search(rf"\b{name} ", command) for name in missing
    )


def steps_of(page: Path) -> list[console_blocks.Step]:
    """The commands of a page, without those that install cnncli, run its tests, or need a program that is not installed."""
    steps = console_blocks.steps(page.read_text(encoding="utf-8"))
    return [step for step in steps if is_runnable(step.command)]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the files of a clone that the commands use."""
    shutil.copytree(ROOT / "sample_images", tmp_path / "sample_images")
    shutil.copy(README, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def first_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which the default model is prepared."""
    home = tmp_path_factory.mktemp("home")
    console_blocks.run(f"cnncli pull {DEFAULT} --offline", home, CNNCLI_HOME=str(home))
    return home


@pytest.fixture
def page_home(first_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it, so that every page begins with the same cache."""
    return shutil.copytree(first_home, tmp_path_factory.mktemp("page") / "home")


@contextlib.contextmanager
def run_service(home: Path) -> Iterator[str]:
    """`cnncli serve` on a free port, as long as the block runs; yields its address."""
    command = [sys.executable, "-m", "cnncli", "serve", "--port", "0", "-q"]
    environment = os.environ | {"CNNCLI_HOME": str(home)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip().removeprefix("http://")
        finally:
            process.terminate()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page == README else pytest.mark.full)
        for page in PAGES
        if "```console" in page.read_text(encoding="utf-8")
    ],
    ids=lambda page: page.stem,
)
def test_commands_print_what_the_page_shows(
    page: Path, clone: Path, page_home: Path, request: pytest.FixtureRequest
) -> None:
    text = page.read_text(encoding="utf-8")
    with run_service(page_home) if page == SERVING else contextlib.nullcontext(SERVICE) as address:
        for name, content in console_blocks.files(text).items():
            (clone / name).write_text(content.replace(SERVICE, address), encoding="utf-8")
        outputs = {
            step.command: console_blocks.run(
                step.command.replace(SERVICE, address), clone, CNNCLI_HOME=str(page_home), **NO_HUB
            )
            for step in steps_of(page)
        }
    pictures = pictures_of(text, clone)
    if request.config.getoption("--update"):
        page.write_text(console_blocks.update_page(text, outputs), encoding="utf-8")
        for name, picture in pictures.items():
            save_small(picture, PICTURES / name)
    differing = [
        f"{step}\n--- but now\n" + "\n".join(outputs[step.command])
        for step in steps_of(page)
        if not console_blocks.matches(step, outputs[step.command])
    ]
    assert not differing, "\n\n".join(differing)
    for name, picture in pictures.items():
        with Image.open(picture) as now, Image.open(PICTURES / name) as before:
            assert now.size == before.size, name


def pictures_of(text: str, clone: Path) -> dict[str, Path]:
    """The pictures on a page, by their path below docs/pictures; commands write them there, or into `pictures/`."""
    names = set(re.findall(r"\((?:docs/)?pictures/(\S+\.png)\)", text))
    return {
        name: next(path for path in (clone / "pictures" / name, clone / name) if path.exists())
        for name in sorted(names)
    }


def save_small(picture: Path, path: Path) -> None:
    """Save a picture in 256 colours, spread over all that occur so that colour scales stay smooth."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(picture) as image:
        pixels = image.convert("RGB")
    palette = pixels.quantize(256, method=Image.Quantize.MAXCOVERAGE)
    pixels.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


@pytest.mark.slow
def test_the_terminal_picture_shows_the_current_output(clone: Path, request: pytest.FixtureRequest) -> None:
    console_blocks.run(f"cnncli pull {DEFAULT} --offline", clone)
    without_spinner = f"{TERMINAL_COMMAND} 2> /dev/null"
    output = console_blocks.run(
        without_spinner, clone, TERM="xterm-256color", COLORTERM="truecolor", **NO_HUB
    )
    now = console_blocks.terminal_svg(TERMINAL_COMMAND, output)
    if request.config.getoption("--update"):
        PICTURES.mkdir(exist_ok=True)
        TERMINAL_PICTURE.write_text(now, encoding="utf-8")
    lines = console_blocks.svg_lines(TERMINAL_PICTURE.read_text(encoding="utf-8"))
    assert any("goldfish" in line for line in lines)
    assert console_blocks.outputs_agree(lines, console_blocks.svg_lines(now))


def test_the_scripts_on_the_pages_import_neither_cnncli_nor_torch() -> None:
    """They show how to use results without cnncli; ExecuTorch's runtime takes tensors of torch."""
    for page in set(PAGES) - {PYTHON}:
        for name, content in console_blocks.files(page.read_text(encoding="utf-8")).items():
            if name.endswith(".py"):
                imports = {
                    alias.name if isinstance(node, ast.Import) else node.module
                    for node in ast.walk(ast.parse(content))
                    if isinstance(node, (ast.Import, ast.ImportFrom))
                    for alias in node.names
                }
                allowed = {"torch"} if "executorch.runtime" in imports else set()
                assert not ({"cnncli", "torch"} - allowed) & imports, page


def test_every_option_on_the_pages_exists(cnncli: Cnncli) -> None:
    """Except options of other programs, pip, uv, torchrun and Slurm, and the option that Typer adds."""
    helps = [cnncli(command, "--help").stdout for command in COMMANDS]
    texts = [page.read_text(encoding="utf-8") for page in PAGES if page != OTHER_TOOLS]
    commands = [step.command for step in console_blocks.steps(OTHER_TOOLS.read_text(encoding="utf-8"))]
    text = "\n".join([*texts, *commands])
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {
        "--no-deps",
        "--no-index",
        "--find-links",
        "--index-url",
        "--python",
        "--nproc-per-node",
        "--nnodes",
        "--rdzv-backend",
        "--rdzv-endpoint",
        "--max-restarts",
        "--install-completion",
        "--array",
        "--cpus-per-task",
    }
    assert named
    assert not [option for option in named if not any(option in page for page in helps)]


def test_relative_links_on_the_pages_exist() -> None:
    for page in PAGES:
        links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
        assert not [link for link in links if not (page.parent / link).exists()], page
