"""Shared fixtures: paths, small real networks, and ways to run the command line."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from typer.testing import CliRunner, Result

from cnncli.cli.app import app
from cnncli.networks import pocket

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet
    from selenium.webdriver.remote.webdriver import WebDriver

ROOT = Path(__file__).parents[1]

# The command line does the same on a busy machine. Set before torch is imported, since tests run side by side.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))

# The same examples in every run, so that a run that passes passes again; `--hypothesis-profile=default` tries others.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

Cnncli = Callable[..., Result]
Program = Callable[..., "subprocess.CompletedProcess[bytes]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="update the pages that tests compare")


def slow_cases(names: Sequence[str], selection: Collection[str]) -> "list[ParameterSet]":
    """Parametrised cases of a slow test: `.ci/run` runs the kept ones, `.ci/full` all of them."""
    marks = {True: pytest.mark.slow, False: pytest.mark.full}
    assert set(selection) <= set(names)
    return [pytest.param(name, marks=marks[name in selection]) for name in names]


def some_slow(cases: Sequence[object], default: Collection[object]) -> "list[ParameterSet]":
    """Parametrised cases of which the default ones always run; the others are slow."""
    assert all(case in cases for case in default)
    marks = {True: (), False: (pytest.mark.slow,)}
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=marks[case in default])
        for case in cases
    ]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real weights and photographs beside the checkout."""
    folder = ROOT.parent / "shared"
    if not (folder / "models").is_dir():
        pytest.skip("needs the real weights and photographs in ../shared")
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of prepared networks, shared by all tests of a session."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Isolate tests from the user's settings and cache."""
    for name in [name for name in os.environ if name.startswith("CNNCLI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CNNCLI_HOME", str(home))
    monkeypatch.setenv("CNNCLI_MODEL", pocket.NAME)  # the smallest; tests of the default model unset it
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that classifies red, green and blue, with probabilities that can be computed by hand."""
    from tests.networks_for_tests import write_colours

    return write_colours(tmp_path_factory.mktemp("models") / "colours")


@pytest.fixture(scope="session")
def colour_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that says of each of red, green and blue whether an image has it (multi-label)."""
    from tests.networks_for_tests import LABELS, write_colours

    return write_colours(tmp_path_factory.mktemp("models") / "labels", LABELS)


@pytest.fixture(scope="session")
def colour_tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with two tasks: the colour of an image, and which moods it has."""
    from tests.networks_for_tests import TASKS, write_colours

    return write_colours(tmp_path_factory.mktemp("models") / "tasks", TASKS)


@pytest.fixture(scope="session")
def layers_tasks(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with the tasks of `colour_tasks` that torch can build, too, with random weights."""
    from cnncli.networks.model_folder import open_folder
    from cnncli.networks.reference import Reference
    from cnncli.prepare import prepare
    from cnncli.records.progress import NullProgress
    from tests.networks_for_tests import TASKS, write_with_tasks

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNCLI_HOME", str(home))
        layers = "input 3x16x16; conv3-4; conv3-8/2; gap; FC-6"
        path = prepare(Reference(layers, pretrained=False), NullProgress()).path
        return write_with_tasks(tmp_path_factory.mktemp("models") / "layers", open_folder(path), TASKS)


@pytest.fixture(scope="session")
def squeezenet(shared: Path, home: Path) -> Iterator[Path]:
    """SqueezeNet 1.0 with its real ImageNet weights, prepared."""
    from cnncli.networks.reference import Reference
    from cnncli.prepare import prepare
    from cnncli.records.progress import NullProgress

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNCLI_HOME", str(home))
        weights = shared / "models" / "squeezenet1_0_imagenet.safetensors"
        yield prepare(Reference("squeezenet1_0", weights), NullProgress()).path


@pytest.fixture(scope="session")
def tiny(home: Path) -> Iterator[Path]:
    """timm's own test network (300 kB) with random weights, prepared."""
    from cnncli.networks.reference import Reference
    from cnncli.prepare import prepare
    from cnncli.records.progress import NullProgress

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNCLI_HOME", str(home))
        yield prepare(Reference("test_resnet", pretrained=False), NullProgress()).path


@pytest.fixture(scope="session")
def tiny_64(home: Path) -> Iterator[Path]:
    """The same for images of 64 x 64 pixels, which train several times as fast."""
    from cnncli.networks.reference import Reference
    from cnncli.prepare import prepare
    from cnncli.records.progress import NullProgress

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNCLI_HOME", str(home))
        yield prepare(Reference("test_resnet", pretrained=False, image_size=(64, 64)), NullProgress()).path


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an object store that speaks the protocol of S3, on this machine, with one empty bucket, `bucket`."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a bucket in an object store; what earlier tests wrote is still in it."""
    import fsspec

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").makedirs("bucket", exist_ok=True)
    return "s3://bucket"


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A temporary folder, with root privileges dropped: root may write everywhere."""
    folder = Path(tempfile.mkdtemp())
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if is_root:
        nobody = 65534
        os.chown(folder, nobody, nobody)
        os.seteuid(nobody)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        shutil.rmtree(folder)


@pytest.fixture
def cnncli() -> Cnncli:
    """Run the command line in this process, with its output captured."""

    def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)

    return run


@pytest.fixture
def program() -> Program:
    """Run the command line in a new process."""

    def run(
        *arguments: str | Path, stdin: bytes = b"", **environment: str
    ) -> "subprocess.CompletedProcess[bytes]":
        command = [sys.executable, "-m", "cnncli", *map(str, arguments)]
        return subprocess.run(
            command, input=stdin, capture_output=True, env=os.environ | environment, check=False, timeout=600
        )

    return run


Imports = Callable[..., tuple["subprocess.CompletedProcess[bytes]", set[str]]]


@pytest.fixture
def imports(program: Program, tmp_path: Path) -> Imports:
    """Run the command line in a new process; return also the packages that it has imported by its end."""

    def run(
        *arguments: str | Path, **environment: str
    ) -> tuple["subprocess.CompletedProcess[bytes]", set[str]]:
        spy, seen = tmp_path / "spy" / "sitecustomize.py", tmp_path / "spy" / "seen"
        spy.parent.mkdir(exist_ok=True)
        spy.write_text(
            "import atexit, sys\n"
            f"atexit.register(lambda: open({str(seen)!r}, 'w').write('\\n'.join(sys.modules)))\n"
        )
        result = program(*arguments, PYTHONPATH=str(spy.parent), **environment)
        return result, {name.partition(".")[0] for name in seen.read_text().split()}

    return run


def arrays_of(file: Path) -> "dict[str, np.ndarray[Any, Any]]":
    """The arrays in an NPZ file."""
    with np.load(file) as arrays:
        return dict(arrays)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a red, a green, a blue and a broken image, and a text file."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    Image.new("RGB", (20, 10), "red").save(folder / "a red.png")
    (folder / "b broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    Image.new("RGB", (10, 30), "lime").save(folder / "c.bmp")
    (folder / "notes.txt").write_text("not an image")
    Image.new("RGB", (9, 9), "blue").save(folder / "more" / "d.gif")
    return folder


@pytest.fixture
def limit_file_size() -> Iterator[Callable[[int], None]]:
    """Call it with a number of bytes beyond which no file can grow, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def press_ctrl_c() -> None:
    """Call the handler of SIGINT, as Ctrl-C would.

    A real signal killed pytest's worker processes now and then on one machine: pytest has set up a stack for signals on which
    Python runs every handler, and which may be too small for a processor with many registers. Tests that start the program
    send it real ones.
    """
    handler = signal.getsignal(signal.SIGINT)
    assert callable(handler)
    handler(signal.SIGINT, None)


@pytest.fixture(scope="module")
def browser() -> Iterator["WebDriver"]:
    """Chromium without a window."""
    program, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("needs Chromium and its driver (Debian: chromium, chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1200,900",
        "--use-fake-device-for-media-stream",  # a camera that shows a pattern
        "--use-fake-ui-for-media-stream",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield window
    window.quit()
