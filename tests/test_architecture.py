"""The architecture: floors, cold starts, the map, the error tree, and the size and names of functions."""

import ast
import functools
import importlib
import inspect
import json
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
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
def package_copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "cnncli", tmp_path / "cnncli", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_command_is_registered() -> None:
    """A file in cli/ with a function or a Typer app of the same name is a command."""
    files = [path.stem for path in (ROOT / "cnncli" / "cli").glob("*.py")]
    room = {stem: importlib.import_module(f"cnncli.cli.{stem}") for stem in files if stem != "__init__"}
    assert {stem for stem, module in room.items() if hasattr(module, stem)} - {"app"} == set(COMMANDS)


def test_imports_respect_the_floors() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


def test_a_module_without_a_floor_is_an_error(package_copy: Path) -> None:
    (package_copy / "cnncli" / "attic.py").write_text("")
    result = lint_imports(package_copy)
    assert result.returncode != 0
    assert "attic" in result.stdout


def test_an_import_of_a_higher_floor_is_an_error(package_copy: Path) -> None:
    room = package_copy / "cnncli" / "records" / "progress.py"
    room.write_text("import cnncli.images.sources\n" + room.read_text())
    assert lint_imports(package_copy).returncode != 0


@pytest.mark.parametrize(
    "arguments",
    [[], ["--help"], ["--version"], ["--nonsense"], ["nonsense"]]
    + [[command, *rest] for command in COMMANDS for rest in (["--help"], ["--nonsense"])]
    + [["predict"], ["predict", "-m", "resnet50", "x.jpg", "--resume"]]
    + [["finetune", "x", *rest] for rest in (["--lr", "-1"], ["--val-split", "2"], ["--tune", "all"])]
    + [["finetune", "x", "--tune", "features", "--epochs", "3"]],
    ids=" ".join,
)
def test_help_and_usage_errors_load_nothing_heavy(arguments: list[str]) -> None:
    code, loaded = run_command(arguments)
    assert code in {0, 2}
    assert not HEAVY & loaded


def test_predicting_loads_neither_torch_nor_what_only_a_terminal_or_a_server_needs() -> None:
    code, loaded = run_command(["predict", str(ROOT / "sample_images" / "lemon.jpg"), "-m", "pocket"])
    assert code == 0
    assert not {"torch", "sklearn", "matplotlib", "rich", "socket", "email"} & loaded


def test_a_classifier_on_features_needs_neither_torch_nor_scikit_learn(tmp_path: Path) -> None:
    data = str(ROOT / "sample_images" / "labelled")
    code, loaded = run_command(
        ["finetune", data, "-m", "pocket", "--tune", "features", "-o", str(tmp_path / "run")]
    )
    assert code == 0
    assert not {"torch", "sklearn"} & loaded


def run_command(arguments: list[str]) -> tuple[int, set[str]]:
    """The exit code of a command, and the packages that it has imported."""
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
    return code, {name.partition(".")[0] for name in loaded}


def rooms_on_the_map() -> set[str]:
    rows = re.findall(r"^    \d+ +(\w+)/? ", cnncli.__doc__ or "", re.MULTILINE)
    return set(rows)


def rooms_on_disk() -> set[str]:
    house = Path(cnncli.__file__).parent
    return {
        path.stem for path in house.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    } - {"__init__"}


def test_the_map_lists_every_room() -> None:
    assert rooms_on_the_map() == rooms_on_disk()


def test_the_docstring_shows_the_error_tree() -> None:
    documented = dict(parse_tree_in_docstring())
    actual = {
        name: kind.__base__.__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.CnncliError) and kind is not errors.CnncliError and kind.__base__
    }
    assert documented == actual


def parse_tree_in_docstring() -> list[tuple[str, str]]:
    """(class, base class) of each branch of the drawn tree."""
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


def test_every_error_type_is_raised() -> None:
    source = "".join(path.read_text() for path in (ROOT / "cnncli").rglob("*.py"))
    unused = [
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.CnncliError) and not re.search(rf"\b{name}\(\s*[^C\s]", source)
    ]
    assert not unused


MEASURED = ("cnncli", "benchmarks", "sample_images")
MAX_FILE_LINES, MAX_BODY_LINES = 350, 65
MAX_MEDIAN_BODY_LINES, MAX_P90_BODY_LINES = 6, 19
MAX_PARTICIPLES = 0.03
"""Share of functions. A participle before a noun can name a value (`cached_folder`), so a few are fine."""
PARTICIPLE = re.compile(
    r"(?!(?:bed|bleed|breed|deed|embed|exceed|feed|indeed|need|proceed|red|seed|shed|speed|succeed|weed)$)\w+ed"
    r"|begun|bent|bitten|born|bought|bound|broken|brought|built|caught|chosen|dealt|done|drawn|driven|fed|felt|found"
    r"|frozen|given|gone|grown|heard|held|hidden|kept|known|laid|led|left|lent|lost|made|meant|met|paid|said|seen|sent"
    r"|shown|slept|sold|sought|spelled|spent|spoken|stolen|swept|sworn|taken|taught|thought|thrown|told|torn|understood"
    r"|woken|worn|wound|written"
)
"""A past participle; without those spelled like their verb, such as `cut`, `put`, `read`, `set` and `split`."""


@dataclass(frozen=True)
class Function:
    """A function or method; body lines do not count the docstring."""

    name: str
    location: str
    body_lines: int


@functools.cache
def functions(folder: str) -> list[Function]:
    """All functions below a folder of the repository, nested ones included."""
    return [
        Function(node.name, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", body_lines(node))
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body if ast.get_docstring(function) is None else function.body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def is_named_by_participle(name: str) -> bool:
    """Whether the first word is a past participle: `found`, `_checked`, `drawn_image`."""
    first = name.strip("_").partition("_")[0]
    return not name.startswith("__") and PARTICIPLE.fullmatch(first) is not None


@pytest.mark.parametrize("folder", MEASURED)
def test_functions_are_short(folder: str) -> None:
    lengths = sorted(item.body_lines for item in functions(folder))
    assert not [item.location for item in functions(folder) if item.body_lines > MAX_BODY_LINES]
    if folder == "cnncli":
        assert statistics.median(lengths) <= MAX_MEDIAN_BODY_LINES
        assert lengths[int(0.9 * len(lengths))] <= MAX_P90_BODY_LINES


@pytest.mark.parametrize("name", ["found", "_told", "checked", "_joined_paths", "written"])
def test_a_participle_is_recognised(name: str) -> None:
    assert is_named_by_participle(name)


@pytest.mark.parametrize("name", ["embed", "is_prepared", "split", "read_bytes", "seed", "__enter__", "_put"])
def test_verbs_and_nouns_are_no_participles(name: str) -> None:
    assert not is_named_by_participle(name)


@pytest.mark.parametrize("folder", MEASURED)
def test_functions_are_named_by_verbs_or_nouns(folder: str) -> None:
    participles = [item.location for item in functions(folder) if is_named_by_participle(item.name)]
    assert len(participles) <= MAX_PARTICIPLES * len(functions(folder)), "\n".join(participles)


@pytest.mark.parametrize("folder", MEASURED)
def test_files_are_short(folder: str) -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / folder).rglob("*.py")}
    lengths = {str(path.relative_to(ROOT)): len(text.splitlines()) for path, text in texts.items()}
    assert not {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES}


def test_files_that_the_contributing_page_names_exist() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    created = {"cnncli/networks/blueprint/shipped/lenet1.cnn", "cnncli/cli/NAME.py", "tests/cli/test_NAME.py"}
    paths = set(re.findall(r"`((?:cnncli|tests|docs|\.ci|\.github)/[\w./]+)`", page)) - created
    assert len(paths) > 10
    assert not [path for path in paths if not (ROOT / path).exists()]
