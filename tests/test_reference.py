"""docs/commands.md is what the commands say of themselves; `pytest tests/test_reference.py --update` writes it anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cnncli.cli.app import COMMANDS, LazyCommands
from tests.conftest import Cnncli

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"

HEAD = """# All commands

What `cnncli COMMAND --help` says. Written by `pytest tests/test_reference.py --update`, and compared by the same test.
"""


def commands() -> Iterator[tuple[str, ...]]:
    """Each command, and each command of a command but the one that goes without saying."""
    yield ()
    for name, command in LazyCommands().items():
        yield (name,)
        yield from ((name, inner) for inner in getattr(command, "commands", {}) if inner != "list")


def test_the_page_of_all_commands(
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
