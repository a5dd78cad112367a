"""Ctrl-C at any time, even while libraries are imported, and locales that are not UTF-8."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT, Program

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and locales")

HOOK = """
import os, signal, sys

class Interrupter:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ.get("INTERRUPT_AT"):
            signal.raise_signal(signal.SIGINT)
            for _ in range(100):
                pass  # the handler runs between two instructions

sys.meta_path.insert(0, Interrupter())
"""


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("cnncli.cli.app", "predict"),
        ("typer", "predict"),
        ("cnncli.cli.predict", "predict"),
        ("numpy", "predict"),
        ("numpy._core.multiarray", "predict"),
        ("PIL._imaging", "predict"),
        ("onnxruntime", "predict"),
        pytest.param("torch", "export", marks=pytest.mark.slow),
        pytest.param("torch._C", "export", marks=pytest.mark.slow),
        pytest.param("onnx", "export", marks=pytest.mark.slow),
        pytest.param("timm.models", "export", marks=pytest.mark.slow),
    ],
)
def test_an_interrupt_during_an_import(program: Program, tmp_path: Path, module: str, command: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    lines: dict[str, list[str | Path]] = {
        "predict": ["predict", ROOT / "sample_images" / "lemon.jpg"],
        "export": ["export", "test_resnet", "--no-pretrained", "-o", tmp_path / "net.onnx"],
    }
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    home = str(tmp_path / "home")  # where nothing is prepared yet, so that torch is needed
    result = program(*lines[command], PYTHONPATH=path, INTERRUPT_AT=module, CNNCLI_HOME=home)
    assert result.returncode == 130, result.stderr
    assert b"Traceback" not in result.stderr
    if module not in {"cnncli.cli.app", "typer"}:  # before these, nothing can be reported yet
        assert result.stderr.splitlines()[-1] == b"error: interrupted"
    assert not (tmp_path / "net.onnx").exists()


def test_an_interrupt_before_the_first_call() -> None:
    """The console script does a little after its import of the entry point."""
    script = "import os, signal, cnncli.__main__\nsignal.raise_signal(signal.SIGINT)\nprint('too late')"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"")


def test_a_bug_keeps_its_traceback(program: Program, tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ZeroDivisionError('a bug')")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    result = program("predict", ROOT / "sample_images" / "lemon.jpg", PYTHONPATH=path)
    assert result.returncode == 1
    assert b"ZeroDivisionError: a bug" in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 in every locale")
def test_class_names_in_a_locale_that_is_not_utf8(program: Program, tmp_path: Path) -> None:
    """A class called by an emoji is known to its own run."""
    for name, colour in (("\U0001f34b", "yellow"), ("café", "blue")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (20, 20 + number), colour).save(tmp_path / "data" / name / f"{number}.png")
    posix = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    data, run = tmp_path / "data", tmp_path / "run"
    options = ("--tune", "features", "--classifier", "centroid", "-o", run)
    trained = program("finetune", data, *options, LC_ALL="C.UTF-8")
    assert trained.returncode == 0, trained.stderr
    usual = program("evaluate", data, "-m", run, "-f", "csv", LC_ALL="C.UTF-8")
    assert usual.returncode == 0, usual.stderr
    assert program("evaluate", data, "-m", run, "-f", "csv", **posix).stdout == usual.stdout
    images = data / "\U0001f34b"
    assert "\U0001f34b".encode() in program("predict", images, "-m", run, "-f", "tsv", **posix).stdout


def test_help_in_a_locale_that_is_not_utf8() -> None:
    environment = os.environ | {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    line = [sys.executable, "-m", "cnncli", "predict", "--help"]
    subprocess.run(line, env=environment, check=True, capture_output=True, timeout=60)
