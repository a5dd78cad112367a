"""The results page, RESULTS.md: each benchmark replaces its own section."""

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine

PAGE = Path(__file__).with_name("RESULTS.md")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def publish(name: str, title: str, text: str, arguments: Sequence[str] = ("PHOTOGRAPHS",)) -> None:
    """Print a section and write it to the results page, in place of its previous version.

    Args:
        name: the benchmark's module below `benchmarks`, e.g. `pocket.measure`.
        title: heading of the section.
        text: the figures and what they mean.
        arguments: the command's arguments, as its help names them.
    """
    command = " ".join(["python -m", f"benchmarks.{name}", *arguments])
    section = f"## {title}\n\n`{command}` on {machine.describe()}\n\n{text.strip()}\n"
    print(section)
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    page = PAGE.read_text(encoding="utf-8")
    marked = f"{begin}{section}{end}"
    previous = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    page, replaced = previous.subn(lambda _: marked, page)
    if not replaced:
        page = f"{page.rstrip()}\n\n{marked}"
    PAGE.write_text(page, encoding="utf-8")
