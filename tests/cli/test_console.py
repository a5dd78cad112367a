"""Messages on a terminal are broken between words, and commands in them can be pasted."""

import os
import subprocess
import sys

import pytest

from cnncli.cli import console
from cnncli.cli.console import Console


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        ("short", ["short"]),
        ("    1  1.5e-03       2.046     36.0 %", ["    1  1.5e-03       2.046     36.0 %"]),
        (
            "the folder photographs/ holds no images that could be read",
            ["the folder photographs/ holds no images", "  that could be read"],
        ),
        (
            "写真写真写真写真 写真写真写真写真写真写真 写真",
            ["写真写真写真写真", "  写真写真写真写真写真写真 写真"],
        ),
        (
            "saved; use it: cnncli predict -m runs/flowers-2 IMAGE",
            ["saved; use it:", "  cnncli predict -m runs/flowers-2 IMAGE"],
        ),
        (
            "`cnncli models rm a-very-long-name-of-a-network` deletes it",
            ["`cnncli models rm a-very-long-name-of-a-network`", "  deletes it"],
        ),
    ],
)
def test_messages_are_broken_between_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], message: str, lines: list[str]
) -> None:
    monkeypatch.setattr(console, "is_terminal", lambda stream: stream is sys.stderr)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((40, 24)))
    Console().notice(message)
    assert capsys.readouterr().err.splitlines() == lines


def test_messages_are_not_broken_on_a_terminal_of_unknown_size(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "is_terminal", lambda stream: stream is sys.stderr)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))
    Console().notice("word " * 40)
    assert capsys.readouterr().err.count("\n") == 1


def test_messages_in_a_pipe_are_single_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Console().notice("word " * 40)
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("columns", "widest"), [(60, 60), (200, 120)])
def test_help_is_as_wide_as_the_terminal_up_to_a_limit(columns: int, widest: int) -> None:
    command = [sys.executable, "-m", "cnncli", "evaluate", "--help"]
    environment = os.environ | {"COLUMNS": str(columns)}
    text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    options = text.partition("Options:")[2].splitlines()
    assert widest - 12 < max(map(len, options)) <= widest
