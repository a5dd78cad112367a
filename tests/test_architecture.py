"""The walls of the house: floors, cold starts, the map, the error tree."""

import importlib
import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cnncli
from cnncli import errors
from cnncli.cli.app import COMMANDS

ROOT = Path(cnncli.__file__).parents[1]
HEAVY = {"torch", "torchvision", "timm", "PIL", "numpy", "onnxruntime", "sklearn", "matplotlib"}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, '.'); {script}"]
    return subprocess.run([*command, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copied_house(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "cnncli", tmp_path / "cnncli", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_command_is_on_the_list() -> None:
    """A room's file with a function or a Typer of its own name is a command."""
    files = [path.stem for path in (ROOT / "cnncli" / "cli").glob("*.py")]
    room = {stem: importlib.import_module(f"cnncli.cli.{stem}") for stem in files if stem != "__init__"}
    assert {stem for stem, module in room.items() if hasattr(module, stem)} - {"app"} == set(COMMANDS)


def test_floors_hold() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


def test_a_module_without_a_floor_fails(copied_house: Path) -> None:
    (copied_house / "cnncli" / "attic.py").write_text("")
    result = lint_imports(copied_house)
    assert result.returncode != 0
    assert "attic" in result.stdout


def test_an_import_upwards_fails(copied_house: Path) -> None:
    room = copied_house / "cnncli" / "records" / "progress.py"
    room.write_text("import cnncli.images.sources\n" + room.read_text())
    assert lint_imports(copied_house).returncode != 0


@pytest.mark.parametrize(
    "arguments",
    [[], ["--help"], ["--version"], ["--nonsense"], ["nonsense"]]
    + [[command, *rest] for command in COMMANDS for rest in (["--help"], ["--nonsense"])]
    + [["predict"], ["predict", "-m", "resnet50", "x.jpg", "--resume"]],
    ids=" ".join,
)
def test_help_and_usage_errors_load_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import json, sys\n"
        "from cnncli.cli.app import main\n"
        f"sys.argv = ['cnncli', *{arguments!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    print(file=sys.stderr)\n"
        "    print(json.dumps([end.code, sorted(sys.modules)]), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    code, loaded = json.loads(result.stderr.splitlines()[-1])
    assert code in {0, 2}
    assert not HEAVY & {name.partition(".")[0] for name in loaded}


def rooms_on_the_map() -> set[str]:
    rows = re.findall(r"^    \d+ +(\w+)/? ", cnncli.__doc__ or "", re.MULTILINE)
    return set(rows)


def rooms_on_disk() -> set[str]:
    house = Path(cnncli.__file__).parent
    return {
        path.stem for path in house.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    } - {"__init__"}


def test_the_map_shows_the_rooms() -> None:
    assert rooms_on_the_map() == rooms_on_disk()


def test_the_error_tree_is_drawn_as_it_is() -> None:
    drawn = dict(_drawn_tree())
    actual = {
        name: kind.__base__.__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.CnncliError) and kind is not errors.CnncliError and kind.__base__
    }
    assert drawn == actual


def _drawn_tree() -> list[tuple[str, str]]:
    """(class, base) of each branch, by its indentation."""
    lines = [
        line for line in (errors.__doc__ or "").splitlines() if re.match(r"    (CnncliError|[ │├└])", line)
    ]
    stack: list[tuple[int, str]] = []
    pairs = []
    for line in lines:
        match = re.search(r"[A-Z]\w+(?:Error|Stopped)", line)
        if match is None:
            continue
        while stack and stack[-1][0] >= match.start():
            stack.pop()
        if stack:
            pairs.append((match[0], stack[-1][1]))
        stack.append((match.start(), match[0]))
    return pairs


def test_no_error_type_is_raised_nowhere() -> None:
    source = "".join(path.read_text() for path in (ROOT / "cnncli").rglob("*.py"))
    unused = [
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.CnncliError) and not re.search(rf"\b{name}\(\s*[^C\s]", source)
    ]
    assert not unused
