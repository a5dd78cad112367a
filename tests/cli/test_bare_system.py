"""Where the system lacks what Linux has: file locks of its own, links, /proc, CPU affinity, a console in UTF-8."""

import os
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT, Program

HIDE = """
import builtins, errno, io, os, sys

sys.modules["fcntl"] = None
if hasattr(os, "sched_getaffinity"):
    del os.sched_getaffinity

def refuse(*arguments, **options):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))

os.symlink = os.link = refuse

def without_proc(function):
    def call(path, *arguments, **options):
        # psutil, which reads meminfo here, asks the system in other ways elsewhere.
        if isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith("/proc") and path != "/proc/meminfo":
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return function(path, *arguments, **options)
    return call

builtins.open = io.open = without_proc(open)
for name in ("open", "stat", "lstat", "listdir", "scandir", "readlink"):
    setattr(os, name, without_proc(getattr(os, name)))
"""
"""A sitecustomize that takes these away from Python's code."""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two classes that cp1252 cannot name, in an environment without all this."""
    (tmp_path / "sitecustomize.py").write_text(HIDE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    for name, colour in (("\U0001f34b", "yellow"), ("\u65e5\u672c", "blue")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (20, 20 + number), colour).save(
                tmp_path / "data" / name / f"{number} \u2192.png"
            )
    return tmp_path


@pytest.mark.slow
def test_predicting(program: Program, bare: Path, colours: Path) -> None:
    output, sheet = bare / "o.csv", bare / "sheet.png"
    for options in ((), ("--overwrite",)):
        written = program("predict", bare / "data", "-m", colours, "-o", output, "--sheet", sheet, *options)
        assert written.returncode == 0, written.stderr
    assert "\U0001f34b/0 \u2192.png".encode() in output.read_bytes()
    again = program("predict", bare / "data", "-m", colours, "-o", output)
    assert (again.returncode, again.stderr.count(b"\n")) == (1, 2)
    printed = program("predict", bare / "data", bare / "no \u2192.png", "-m", colours, "-f", "table")
    assert printed.returncode == 3
    assert "\u2026/no \u2192.png".encode() in printed.stdout
    assert not [path.name for path in bare.iterdir() if path.name.startswith(".") or ".part" in path.name]


@pytest.mark.slow
def test_embeddings(program: Program, bare: Path, colours: Path) -> None:
    file = bare / "f.npz"
    assert program("features", bare / "data", "-m", colours, "-o", file).returncode == 0
    for among in (file, bare / "data"):
        query = bare / "data" / "\U0001f34b" / "0 \u2192.png"
        result = program("similar", query, "--in", among, "-m", colours, "-k", "1")
        assert result.returncode == 0, result.stderr
        assert "\U0001f34b/1 \u2192.png".encode() in result.stdout


def test_listing(program: Program, bare: Path) -> None:
    result = program("models", "--prepared", CNNCLI_HOME=str(bare / "home"))
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_training_and_evaluating(program: Program, bare: Path) -> None:
    run = bare / "run"
    for options in ((), ("--overwrite",)):
        trained = program("finetune", bare / "data", "--tune", "features", "-o", run, *options)
        assert trained.returncode == 0, trained.stderr
    evaluated = program("evaluate", bare / "data", "-m", run, "--split", "all", "-o", bare / "evaluation")
    assert evaluated.returncode == 0, evaluated.stderr
    assert "\U0001f34b".encode() in evaluated.stdout
    exported = program("export", run, "-o", bare / "run.onnx")
    assert exported.returncode == 0, exported.stderr
    checked = program("check", bare / "data", "--sheet", bare / "sheet.png")
    assert checked.returncode in {0, 3}, checked.stderr


@pytest.mark.slow
def test_training_a_network(program: Program, bare: Path) -> None:
    model = "input 3x12x12; activation: relu; conv3-4; FC-2"
    words = ("--tune", "scratch", "-m", model, "--epochs", "1", "-o", bare / "run")
    trained = program("finetune", bare / "data", *words)
    assert trained.returncode == 0, trained.stderr
    resumed = program("finetune", "--resume", bare / "run", "--epochs", "2")
    assert resumed.returncode == 0, resumed.stderr
    drawn = program(
        "maps", bare / "data" / "\u65e5\u672c" / "0 \u2192.png", "-m", bare / "run", "-o", bare / "m.png"
    )
    assert drawn.returncode == 0, drawn.stderr
