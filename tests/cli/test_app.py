"""The program without a command, its version, and what a wrong word gets."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cnncli as package
from tests.conftest import Cnncli


def test_without_a_command_it_shows_help(cnncli: Cnncli) -> None:
    result = cnncli()
    assert result.exit_code == 0
    assert result.stdout == cnncli("--help").stdout
    assert re.search(r"\n  predict +Classify images.\n", result.stdout)


def test_version(cnncli: Cnncli) -> None:
    assert cnncli("--version").stdout == f"cnncli {package.__version__}\n"


def test_a_notebooks_backend_does_not_keep_matplotlib_from_drawing() -> None:
    program = (
        "import sys\n"
        "from cnncli.cli.app import main\n"
        "sys.argv = ['cnncli', '--version']\n"
        "try:\n    main()\nexcept SystemExit:\n    import matplotlib.figure\n"
        "    print(matplotlib.rcParams['backend'])\n"
    )
    environment = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.endswith("\nagg\n")


def test_an_unknown_command_is_wrong_usage(cnncli: Cnncli) -> None:
    result = cnncli("predct")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no such command 'predct'")
    assert result.stderr.endswith("hint: cnncli --help\n")


def test_a_path_too_long_for_the_system_is_not_a_network(cnncli: Cnncli) -> None:
    result = cnncli("pull", "x" * 300, "pocket")
    assert result.exit_code == 1
    assert f"no network is called '{'x' * 300}'" in result.stderr
    assert result.stdout.startswith("pocket\t")  # the others are had


def test_every_command_has_an_example(cnncli: Cnncli) -> None:
    for command in ("predict", "pull"):
        assert f"Examples:\n    cnncli {command} " in cnncli(command, "--help").stdout


@pytest.fixture
def loaded(cnncli: Cnncli, tmp_path: Path) -> None:
    """All that these commands import has been imported."""
    for words in (
        ["check", tmp_path],
        ["evaluate", tmp_path],
        ["finetune", tmp_path],
        ["similar", "x.jpg", "--in", tmp_path / "none"],
        ["export", "pocket", "-o", tmp_path / "none" / "x.onnx"],
        ["datasets", "get", "digits", "."],
    ):
        cnncli(*words)


@pytest.mark.parametrize(
    "words",
    [
        ["check", "locked/in"],
        ["evaluate", "locked/in"],
        ["finetune", "locked/in"],
        ["similar", "x.jpg", "--in", "x" * 300],
        ["export", "pocket", "-o", "locked/net.onnx"],
        ["datasets", "get", "digits", "locked/in"],
        ["predict", "-m", f"./{'x' * 300}", "x.jpg"],
        ["check", "x" * 300],
        ["features", "x.jpg", "-o", f"{'x' * 300}.npz"],
    ],
)
def test_paths_without_permission_are_reported(
    cnncli: Cnncli,
    loaded: None,  # noqa: ARG001 - Python itself may lie where nobody may read
    unprivileged: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
) -> None:
    """One line, and no traceback."""
    monkeypatch.chdir(unprivileged)
    locked = unprivileged / "locked"
    (locked / "in").mkdir(parents=True)
    locked.chmod(0)
    try:
        result = cnncli(*words)
    finally:
        locked.chmod(0o700)
    assert result.exit_code == 1, result.output
    assert sum(line.startswith("error: ") for line in result.stderr.splitlines()) == 1
