"""The program without a command, its version, and what a wrong word gets."""

import re

import cnncli as package
from tests.conftest import Cnncli


def test_alone_it_shows_its_help(cnncli: Cnncli) -> None:
    result = cnncli()
    assert result.exit_code == 0
    assert result.stdout == cnncli("--help").stdout
    assert re.search(r"\n  predict +Name what is in images.\n", result.stdout)


def test_version(cnncli: Cnncli) -> None:
    assert cnncli("--version").stdout == f"cnncli {package.__version__}\n"


def test_a_command_that_does_not_exist(cnncli: Cnncli) -> None:
    result = cnncli("predct")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no such command 'predct'")
    assert result.stderr.endswith("hint: cnncli --help\n")


def test_every_command_has_an_example(cnncli: Cnncli) -> None:
    for command in ("predict", "pull"):
        assert f"Examples:\n    cnncli {command} " in cnncli(command, "--help").stdout
