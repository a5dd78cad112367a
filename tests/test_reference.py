"""docs/commands.md contains the help of every command; `pytest tests/test_reference.py --update` updates it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cnncli.cli.app import COMMANDS, LazyCommands
from tests.conftest import Cnncli

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"

HEAD = """# All commands

The output of `cnncli COMMAND --help`. Generated with `pytest tests/test_reference.py --update`; the same test compares it.
"""


def commands() -> Iterator[tuple[str, ...]]:
    """Each command and subcommand, except `list`, which runs by default."""
    yield ()
    for name, command in LazyCommands().items():
        yield (name,)
        yield from ((name, inner) for inner in getattr(command, "commands", {}) if inner != "list")


def test_the_page_has_the_help_of_every_command(
    cnncli: Cnncli, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    sections = [HEAD]
    for command in commands():
        result = cnncli(*command, "--help")
        assert result.exit_code == 0
        sections.append(f"## {' '.join(['cnncli', *command])}\n\n```text\n{result.stdout.strip()}\n```\n")
    page = "\n".join(sections)
    assert all(f"## cnncli {name}\n" in page for name in COMMANDS)
    if request.config.getoption("--update"):
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, "pytest tests/test_reference.py --update"
