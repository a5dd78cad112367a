"""Running the program: in this process, and as a real one."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from cnncli.cli.app import app

Cnncli = Callable[..., Result]
Program = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def cnncli() -> Cnncli:
    """The program in this process; what it prints is captured."""

    def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)

    return run


@pytest.fixture
def program() -> Program:
    """The program as a process of its own."""

    def run(
        *arguments: str | Path, stdin: bytes = b"", **environment: str
    ) -> "subprocess.CompletedProcess[bytes]":
        command = [sys.executable, "-m", "cnncli", *map(str, arguments)]
        return subprocess.run(
            command, input=stdin, capture_output=True, env=os.environ | environment, check=False, timeout=120
        )

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A red, a green and a blue image, a broken one, and something that is none."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    Image.new("RGB", (20, 10), "red").save(folder / "a red.png")
    (folder / "b broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    Image.new("RGB", (10, 30), "lime").save(folder / "c.bmp")
    (folder / "notes.txt").write_text("not an image")
    Image.new("RGB", (9, 9), "blue").save(folder / "more" / "d.gif")
    return folder
