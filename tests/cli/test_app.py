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


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The temporary folder of a user without an entry in the user database, and without a home."""
    for name in ("CNNCLI_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_without_a_home_folder_a_temporary_one_stands_in(cnncli: Cnncli, homeless: Path) -> None:
    home = homeless / f"cnncli-{os.getuid()}"
    result = cnncli("models", "--prepared")
    assert result.exit_code == 0
    assert result.stderr.startswith(
        f"warning: there is no home folder: networks are kept in {home}; set HOME or"
    )
    assert home.stat().st_mode & 0o777 == 0o700
    assert os.environ["HOME"] == str(home)


def test_a_temporary_home_that_others_can_write_is_not_used(cnncli: Cnncli, homeless: Path) -> None:
    (homeless / f"cnncli-{os.getuid()}").mkdir(mode=0o755)
    assert cnncli("models", "--prepared", "-q").stderr == ""
    assert Path(os.environ["HOME"]).parent == homeless
    assert os.environ["HOME"] != str(homeless / f"cnncli-{os.getuid()}")


def test_without_any_writable_folder_it_says_what_to_set(
    cnncli: Cnncli, homeless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(homeless / "none"))
    result = cnncli("models", "--prepared")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1] == "hint: set HOME to a writable folder"


def test_a_deleted_working_directory_is_reported(
    cnncli: Cnncli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for words in (["doctor", "--offline"], ["finetune", "x"], ["features", "x.jpg", "-o", "f.npz"]):
        result = cnncli(*words)
        assert result.exit_code == 1
        assert result.stderr.startswith("error: the working directory no longer exists\n")
    assert cnncli("predict", "--help").exit_code == 0


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


def test_a_message_that_quotes_a_file_is_shortened(cnncli: Cnncli, tmp_path: Path) -> None:
    (tmp_path / "net.cnn").write_text("input 3x8x8\n" + "(" * 9_000 + "\n")
    result = cnncli("summary", tmp_path / "net.cnn")
    assert result.exit_code == 1
    assert len(result.stderr) < 10_100
