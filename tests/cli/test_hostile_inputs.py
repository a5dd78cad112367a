"""Every command over hostile inputs, under limits of time and memory: one clear line, and nothing changes but the output."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import hostile
from tests.conftest import ROOT, Cnncli

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs fork, /proc and limits of memory")

NETWORK = "input 3x12x12; activation: relu; conv3-4; FC-3"

PEAK = 2_500_000_000
"""Limit of a line's memory in bytes, with half a gigabyte of imports."""

EXIT_CODES = {0, 1, 2, 3}

CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")

ON_FOLDERS = [
    ["predict", "{}", "-m", "COLOURS", "--sheet", "OUT.png"],
    *(
        ["predict", "{}", "-m", "COLOURS", "-o", f"OUT.{name}"]
        for name in ("csv", "tsv", "json", "jsonl", "parquet")
    ),
    *(["features", "{}", "-m", "COLOURS", "-o", f"OUT.{name}"] for name in ("npz", "npy", "parquet")),
    ["similar", "{}", "--in", "{}", "-m", "COLOURS", "--sheet", "OUT.png"],
    ["similar", "--duplicates", "{}", "-m", "COLOURS"],
]
DRAWN = ["-m", NETWORK, "--no-pretrained", "-o", "OUT.png"]

COMMANDS: dict[str, list[list[str]]] = {
    "images": [
        ["predict", "-m", "COLOURS", "--", "{}"],
        ["convolve", "{}", "--kernel", "sobel-x", "-o", "OUT.png"],
        *([name, "{}", *DRAWN] for name in ("cam", "maps", "receptive")),
    ],
    "lists": [
        ["predict", "--files-from", "{}", "-m", "COLOURS"],
        ["predict", "--files-from", "{}", "-0", "-m", "COLOURS"],
        ["features", "--files-from", "{}", "-m", "COLOURS", "-o", "OUT.npz"],
        ["check", "{}"],
        ["evaluate", "{}", "-m", "COLOURS"],
        ["finetune", "{}", "--tune", "features", "--classifier", "centroid", "-m", "COLOURS", "-o", "OUT"],
        [
            "finetune",
            "small",
            "-c",
            "{}",
            "--tune",
            "features",
            "--classifier",
            "centroid",
            "-m",
            "COLOURS",
            "-o",
            "OUT",
        ],
        ["evaluate", "small", "-m", "COLOURS", "--map", "{}"],
        ["predict", "good.png", "-m", NETWORK, "--no-pretrained", "--labels", "{}"],
        ["predict", "good.png", "-m", "{}"],
        ["convolve", "{}", "--kernel", "sobel-x", "-o", "OUT.png"],
    ],
    "models": [
        ["predict", "good.png", "-m", "{}"],
        ["features", "good.png", "-m", "{}", "-o", "OUT.npz"],
        ["similar", "good.png", "--in", "small", "-m", "{}"],
        ["evaluate", "small", "-m", "{}"],
        ["summary", "{}"],
        ["filters", "{}", "-o", "OUT.png"],
        *([name, "good.png", "-m", "{}", "-o", "OUT.png"] for name in ("cam", "maps", "receptive")),
        ["export", "{}", "-o", "OUT.onnx"],
        ["finetune", "small", "--tune", "features", "--classifier", "centroid", "-m", "{}", "-o", "OUT"],
        ["finetune", "small", "--tune", "head", "--epochs", "1", "-m", "{}", "-o", "OUT"],
        ["predict", "good.png", "-m", "{}", "--engine", "torch"],
        ["pull", "{}"],
        ["finetune", "--resume", "{}"],
    ],
    "weights": [
        ["predict", "good.png", "-m", NETWORK, "--weights", "{}"],
        ["maps", "good.png", "-m", "test_resnet", "--weights", "{}", "-o", "OUT.png"],
        ["finetune", "small", "--tune", "head", "-m", "test_resnet", "--weights", "{}", "-o", "OUT"],
        ["predict", "good.png", "-m", "{}"],
    ],
    "networks": [
        ["predict", "good.png", "-m", "{}", "--no-pretrained"],
        ["predict", "good.png", "-m", "{}"],
        ["summary", "{}"],
        ["export", "{}", "-o", "OUT.onnx"],
        ["filters", "{}", "--no-pretrained", "-o", "OUT.png"],
    ],
    "features": [
        ["similar", "good.png", "--in", "{}", "-m", "COLOURS"],
        ["similar", "--duplicates", "{}", "-m", "COLOURS"],
        ["features", "good.png", "-m", "COLOURS", "-o", "{}", "--resume"],
    ],
    "kernels": [
        ["convolve", "good.png", "--kernel", "{}", "-o", "OUT.png"],
        ["convolve", "{}", "--kernel", "box-blur", "-o", "OUT.png"],
    ],
}
"""What meets each kind of hostile input; `OUT` is a new name, `{}` the input."""

ON_DATA = [
    ["check", "data", "--sheet", "OUT.png"],
    ["check", "data", "-f", "json"],
    ["evaluate", "data", "-m", "COLOURS", "-o", "OUT"],
    ["finetune", "data", "--tune", "features", "--classifier", "centroid", "-m", "COLOURS", "-o", "OUT"],
    ["finetune", "data", "--tune", "scratch", "-m", NETWORK, "--epochs", "1", "-b", "4", "-o", "OUT"],
    ["export", "COLOURS", "-o", "OUT.onnx", "--check", "data"],
    ["export", "COLOURS", "-o", "OUT.onnx", "--quantize", "int8", "--calibrate", "data"],
]


def command_lines(root: Path, out: Path, share: int) -> Iterator[list[str]]:
    """The command lines; of each kind of input every input meets one in `share` of the commands, in turn."""
    templates = [*ON_DATA, *([word.replace("{}", "images") for word in line] for line in ON_FOLDERS)]
    for kind, commands in COMMANDS.items():
        for row, file in enumerate(sorted((root / kind).iterdir())):
            lines = [line for column, line in enumerate(commands) if (row + column) % share == 0]
            templates += [[word.replace("{}", f"{kind}/{file.name}") for word in line] for line in lines]
    names = {"COLOURS": str(root / "colours")}
    for number, line in enumerate(templates):
        yield [names.get(word, re.sub(r"^OUT", str(out / str(number)), word)) for word in line]


def complaints(result: dict[str, Any]) -> Iterator[str]:
    """What is wrong with how a line has ended."""
    errors = result["stderr"]
    if result["code"] not in EXIT_CODES:
        yield f"exit code {result['code']} after {result['seconds']:.0f} s"
    if "Traceback" in errors:
        yield errors[-1000:]
    if result["code"] in {1, 2} and not re.search("^error: ", errors, re.MULTILINE):
        yield f"no error message: {errors[-300:]!r}"
    if CONTROLS.search(errors):
        yield f"control characters: {errors[:300]!r}"
    if max(map(len, errors.splitlines()), default=0) > 10_100:
        yield f"a line that is too long: {errors[:200]!r}"
    if result["peak"] > PEAK:
        yield f"{result['peak'] / 1e9:.1f} GB of memory"
    if result["changes"]:
        yield f"changed {result['changes']}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, colours: Path) -> Path:
    """A folder with everything hostile, and `small`, a sound data set."""
    from tests.hostile_models import write_models, write_networks

    folder = tmp_path_factory.mktemp("hostile")
    hostile.write_precious(folder / "precious")
    hostile.write_images(folder / "images", folder / "precious")
    hostile.write_data(folder / "data", folder / "precious")
    hostile.write_sound(folder, colours)
    hostile.write_lists(folder / "lists", folder)
    hostile.write_kernels(folder / "kernels")
    hostile.write_weights(folder / "weights")
    write_models(folder / "models", colours)
    write_networks(folder / "networks")
    return folder


def run_lines(root: Path, lines: Sequence[Sequence[str]], home: Path) -> list[dict[str, Any]]:
    temporary = root.parent / f"{root.name} temporary"
    temporary.mkdir(exist_ok=True)
    result = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "limited_runner.py"), str(root)],
        input="".join(json.dumps(line) + "\n" for line in lines),
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "CNNCLI_HOME": str(home), "TMPDIR": str(temporary), "HOME": str(home)},
        check=True,
    )
    assert all(path.name.startswith("torchinductor") for path in temporary.iterdir())
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    "share", [pytest.param(12, marks=pytest.mark.full), pytest.param(1, marks=pytest.mark.full)]
)
def test_commands(root: Path, home: Path, tmp_path: Path, cnncli: Cnncli, share: int) -> None:
    sound = tmp_path / "sound.npz"
    assert cnncli("features", root / "small", "-m", root / "colours", "-o", sound).exit_code == 0
    if not (root / "features").exists():
        hostile.write_features(root / "features", sound)
    lines = list(command_lines(root, tmp_path, share))
    results = run_lines(root, lines, home)
    assert len(results) == len(lines)
    problems = [
        f"{' '.join(line)!r}: {complaint}"
        for line, result in zip(lines, results, strict=True)
        for complaint in complaints(result)
    ]
    assert not problems, "\n".join(problems)
    assert not (root / "features" / "ran").exists()
    assert not (root / "weights" / "ran").exists()


def test_a_folder_of_hostile_images(cnncli: Cnncli, tmp_path: Path, colours: Path) -> None:
    """The same for one folder, in this process."""
    hostile.write_precious(tmp_path / "precious")
    hostile.write_images(tmp_path / "images", tmp_path / "precious", with_large=False)
    before = {path: path.lstat() for path in tmp_path.rglob("*")}
    (tmp_path / "out").mkdir()
    for words in (("-f", "csv", "--sheet", tmp_path / "out" / "s.png"), ("-o", tmp_path / "out" / "o.jsonl")):
        result = cnncli("predict", tmp_path / "images", "-m", colours, *words)
        assert result.exit_code == 3, result.output
        assert not CONTROLS.search(result.stderr)
    assert {path: path.lstat().st_ctime_ns for path in before} == {
        path: state.st_ctime_ns for path, state in before.items()
    }
    assert set(tmp_path.rglob("*")) - before.keys() == {
        tmp_path / "out",
        tmp_path / "out" / "s.png",
        tmp_path / "out" / "o.jsonl",
    }
