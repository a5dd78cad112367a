"""The results page: each benchmark replaces its own section."""

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.stage import machine

PAGE = Path(__file__).with_name("RESULTS.md")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def publish(name: str, title: str, text: str, arguments: Sequence[str] = ("PHOTOGRAPHS",)) -> None:
    """Print a section, and put it in the place of the one of that name on the page.

    Args:
        name: of the benchmark's module.
        title: of the section.
        text: what was measured, and what it means.
        arguments: of the command, as its help calls them.
    """
    command = " ".join(["python -m", f"benchmarks.{name}", *arguments])
    section = f"## {title}\n\n`{command}` on {machine()}\n\n{text.strip()}\n"
    print(section)
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    page = PAGE.read_text(encoding="utf-8")
    whole = f"{begin}{section}{end}"
    found = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    page = found.sub(lambda _: whole, page) if found.search(page) else f"{page.rstrip()}\n\n{whole}"
    PAGE.write_text(page, encoding="utf-8")
