"""The Containerfile: its commands in a fresh environment, and the image itself where a builder runs."""

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.defaults import DEFAULT
from cnncli.records.progress import NullProgress
from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FILE = ROOT / "Containerfile"
TOKEN = "a-token-for-a-test"  # noqa: S105 - of a service that ends with the test


def instructions(name: str) -> list[str]:
    """The arguments of each instruction of this name."""
    return re.findall(rf"^{name} (.*)$", FILE.read_text(), re.MULTILINE)


def predict(address: str) -> str:
    """The class that a service gives for a lemon."""
    image = (ROOT / "sample_images" / "lemon.jpg").read_bytes()
    headers = {"Content-Type": "image/jpeg", "Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(f"{address}/predict", image, headers)  # noqa: S310 - of this machine
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - likewise
        return str(json.load(answer)[0]["predictions"][0]["label"])


@pytest.fixture(scope="module")
def model(home: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNCLI_HOME", str(home))
        return prepare(Reference(DEFAULT), NullProgress()).path


def test_its_commands_serve_without_torch(model: Path, tmp_path: Path) -> None:
    """Those of RUN, ENTRYPOINT and CMD, with folders of this machine in place of the image's."""
    places = {"/source": str(ROOT), "/model": str(model), "/tmp/cnncli": str(tmp_path / "home")}  # noqa: S108 - replaced
    places |= {"0.0.0.0": "127.0.0.1", "8000": "0"}  # noqa: S104 - likewise

    def here(text: str) -> str:
        return re.sub("|".join(map(re.escape, places)), lambda place: places[place[0]], text)

    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    path = f"{tmp_path / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PATH": path}
    for step in instructions("RUN"):
        subprocess.run(["sh", "-ec", here(step)], check=True, env=environment, capture_output=True)
    (tmp_path / "home").mkdir()
    for setting in shlex.split(instructions("ENV")[0]):
        name, _, value = setting.partition("=")
        environment[name] = here(value)
    command = [here(word) for words in ("ENTRYPOINT", "CMD") for word in json.loads(instructions(words)[0])]
    command[0] = str(tmp_path / "venv" / "bin" / "cnncli")
    installed = subprocess.run(
        [tmp_path / "venv" / "bin" / "pip", "list"], env=environment, capture_output=True, check=True
    )
    assert b"torch" not in installed.stdout
    with subprocess.Popen(
        command, env=environment | {"CNNCLI_TOKEN": TOKEN}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            address = process.stdout.readline().strip()
            assert predict(address) == "lemon"
            check = json.loads(instructions("HEALTHCHECK CMD")[0])
            check[-1] = check[-1].replace("http://127.0.0.1:8000", address)
            subprocess.run(check, check=True, env=environment)
        finally:
            process.terminate()
    assert process.returncode == 0


def find_builder() -> str | None:
    """The program that can build images here; Docker's needs a daemon."""
    for program in ("podman", "docker"):
        if (
            shutil.which(program)
            and not subprocess.run([program, "info"], capture_output=True, check=False).returncode
        ):
            return program
    return None


@contextlib.contextmanager
def run_image(builder: str, image: str) -> Iterator[str]:
    """A container as long as the block runs; yields its address."""
    options = ["--detach", "--rm", "--publish", "127.0.0.1::8000", "--env", f"CNNCLI_TOKEN={TOKEN}"]
    started = subprocess.run([builder, "run", *options, image], check=True, capture_output=True, text=True)
    container = started.stdout.strip()
    try:
        port = subprocess.run(
            [builder, "port", container, "8000"], check=True, capture_output=True, text=True
        )
        yield f"http://localhost:{port.stdout.strip().rpartition(':')[2]}"
    finally:
        subprocess.run([builder, "stop", container], check=True, capture_output=True)


def test_the_image_serves(model: Path, tmp_path: Path) -> None:
    builder = find_builder()
    if builder is None:
        pytest.skip("needs podman, or docker with its daemon")
    for name in ("Containerfile", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "cnncli", tmp_path / "cnncli", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(model, tmp_path / "model")
    image = "cnncli-serve-test"
    subprocess.run([builder, "build", "-t", image, "-f", "Containerfile", "."], cwd=tmp_path, check=True)
    with run_image(builder, image) as address:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                assert predict(address) == "lemon"
                return
            time.sleep(1)
        pytest.fail("the container does not answer")
