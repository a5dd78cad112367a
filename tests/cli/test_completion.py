"""What Tab completes, as the shells ask for it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cnncli.cli.app import COMMANDS
from cnncli.networks import cache, pocket
from cnncli.records.choices import KERNELS
from tests.conftest import Cnncli
from tests.test_architecture import HEAVY

Completions = Callable[..., list[str]]

SCRIPT = """
import json, os, sys
os.environ |= json.loads(sys.argv[1])
from cnncli.cli.app import main
sys.argv = ["cnncli"]
try:
    main()
except SystemExit:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def bash_request(words: Sequence[str]) -> dict[str, str]:
    return {
        "COMP_WORDS": "\n".join(["cnncli", *words]),
        "COMP_CWORD": str(len(words)),
        "_CNNCLI_COMPLETE": "complete_bash",
    }


@pytest.fixture
def complete(cnncli: Cnncli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Completions:
    """The completions of the last of some words, as bash splits them."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> list[str]:
        for name, value in bash_request(words).items():
            monkeypatch.setenv(name, value)
        return list(filter(None, cnncli().stdout.splitlines()))

    return run


def test_commands(complete: Completions) -> None:
    assert complete("") == list(COMMANDS)
    assert complete("fine") == ["finetune"]
    assert complete("datasets", "") == ["list", "get"]
    assert complete("models", "r") == ["rm"]


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "-m"],
        ["predict", "--model", "="],
        ["evaluate", "photos", "-m", "pocket", "-m"],
        ["finetune", "photos", "--kd-model"],
        ["similar", "-m"],
        ["summary"],
        ["summary", "vgg16"],
        ["filters"],
        ["export"],
    ],
    ids=" ".join,
)
def test_models(complete: Completions, words: list[str]) -> None:
    assert complete(*words, "resnet50_g") == ["resnet50_gn"]
    assert {"resnet18", "torchvision/alexnet", "lenet5", "vgg-c", "pocket"} <= set(complete(*words, ""))


def test_tags_of_weights_come_after_the_name(complete: Completions) -> None:
    assert {"resnet50", "resnet50_gn"} <= set(complete("pull", "resnet50"))
    assert not any("." in name for name in complete("pull", "resnet50"))
    tagged = complete("pull", "resnet50.")
    assert "resnet50.a1_in1k" in tagged
    assert all(name.startswith("resnet50.") for name in tagged)


def test_own_models_are_completed_beside_published_ones(complete: Completions, tmp_path: Path) -> None:
    shutil.copytree(pocket.FOLDER, tmp_path / "runs" / "rex")
    (tmp_path / "resnet-mine.cnn").write_text("input 1x8x8; FC-2")
    (tmp_path / "resnet-photos").mkdir()
    assert complete("predict", "-m", "ru") == ["runs/rex"]
    assert complete("predict", "-m", "resnet-") == ["resnet-mine.cnn"]


def test_prepared_networks_to_delete(
    complete: Completions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CNNCLI_HOME", str(tmp_path / "home"))
    assert complete("models", "rm", "") == []
    shutil.copytree(pocket.FOLDER, cache.folder_path("pocket"))
    cache.folder_path("damaged").mkdir()
    assert complete("models", "rm", "") == ["damaged", "pocket"]


def test_fixed_values(complete: Completions) -> None:
    assert complete("finetune", "x", "--opt", "adamw") == ["adamw", "adamwlegacy"]
    assert "rmspropkeras" in complete("finetune", "x", "--opt", "rms")
    assert complete("convolve", "x", "--kernel", "") == list(KERNELS)
    assert "fashion-mnist" in complete("datasets", "get", "")
    assert {"auto", "cpu", "cuda", "mps"} <= set(complete("predict", "--device", ""))
    assert complete("predict", "--device", "=", "cp") == ["cpu"]


def test_words_that_bash_splits_at_a_colon(complete: Completions) -> None:
    assert "last:2" in complete("finetune", "x", "--tune", "")
    assert complete("finetune", "x", "--tune", "la") == ["last:1", "last:2", "last:3"]
    assert complete("finetune", "x", "--tune", "last", ":") == ["1", "2", "3"]
    assert complete("finetune", "x", "--tune", "last", ":", "2") == ["2"]
    assert complete("finetune", "x", "--tune", "=", "last", ":", "2") == ["2"]


def test_classes_are_quoted_for_bash(complete: Completions) -> None:
    assert complete("cam", "x.jpg", "-m", "pocket", "--class", "Afr") == [r"African\ elephant"]
    assert complete("cam", "x.jpg", "-m", "pocket", "--class", r"African\ e") == [r"African\ elephant"]
    assert complete("cam", "x.jpg", "--class", "Afr") == [r"African\ elephant"]  # of CNNCLI_MODEL
    assert complete("cam", "x.jpg", "-m", "pocket", "--class", "'Afr") == ["African elephant"]


def test_classes_that_tasks_share_have_their_task(complete: Completions, colour_tasks: Path) -> None:
    cam = ("cam", "x.jpg", "-m", str(colour_tasks), "--class")
    assert complete(*cam, "") == ["colour:red", "green", "blue", "warm", "mood:red", "cold"]
    assert complete(*cam, "mood", ":", "r") == ["red"]


def test_layers_of_a_prepared_model(complete: Completions) -> None:
    assert complete("filters", "pocket", "--layer", "c") == ["conv1"]
    assert "norm1" not in complete("filters", "pocket", "--layer", "")
    layers = complete("maps", "x.jpg", "--model=pocket", "--layer", "")
    assert {"fc1", "norm1", "residual1", "residual1.body.conv2"} <= set(layers)
    assert complete("finetune", "photos", "-m", "pocket", "--layer", "") == layers


@pytest.mark.parametrize(
    "words",
    [
        ["filters", "resnet18", "--layer", ""],  # not prepared
        ["cam", "x.jpg", "-m", "no/such/folder", "--class", ""],
        ["predict", "-m", "zz"],
        ["predict", ""],
    ],
    ids=" ".join,
)
def test_nothing_to_complete_leaves_it_to_the_names_of_files(complete: Completions, words: list[str]) -> None:
    assert complete(*words) == []


@pytest.mark.parametrize(
    "words",
    [
        ["f"],
        ["predict", "-m", ""],
        ["datasets", "get", ""],
        ["convolve", "x", "--kernel", ""],
        ["finetune", "x", "--opt", ""],
        ["filters", "pocket", "--layer", ""],
    ],
    ids=" ".join,
)
def test_completion_imports_little(words: list[str]) -> None:
    request = json.dumps(bash_request(words))
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, request], capture_output=True, text=True, check=True
    )
    assert result.stdout
    modules = set(json.loads(result.stderr))
    slow = {"importlib.metadata", "rich.console", "cnncli.networks.blueprint"}
    assert not (HEAVY | slow) & {*modules, *(name.partition(".")[0] for name in modules)}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `cnncli` on the path."""
    file = tmp_path / "bin" / "cnncli"
    file.parent.mkdir()
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cnncli "$@"\n')
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{file.parent}:{os.environ['PATH']}")


def show_completion(shell: str) -> str:
    """The script that `--show-completion` prints for a shell."""
    from typer._completion_shared import get_completion_script

    return get_completion_script(prog_name="cnncli", complete_var="_CNNCLI_COMPLETE", shell=shell)


@pytest.mark.usefixtures("program")
@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_in_bash() -> None:
    script = f"{show_completion('bash')}\nCOMP_WORDS=(cnncli finetune x --tune last : ''); COMP_CWORD=5\n"
    command = f'{script}_cnncli_completion cnncli; printf "%s\\n" "${{COMPREPLY[@]}}"'
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["1", "2", "3"]


@pytest.mark.usefixtures("program")
@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_in_fish() -> None:
    command = f'{show_completion("fish")}\ncomplete -C "cnncli predict -m resnet50_g"'
    result = subprocess.run(
        ["fish", "--no-config", "-c", command], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines() == ["resnet50_gn"]


def test_in_zsh(cnncli: Cnncli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_CNNCLI_COMPLETE", "complete_zsh")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "cnncli cam x.jpg -m pocket --class Afr")
    assert cnncli().stdout == """_arguments '*: :(("African elephant"))'\n"""
