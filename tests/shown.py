"""Pages that show commands: each is run as a reader would run it, and what it prints is compared with what the page shows.

In a block fenced as `console`, a line that begins with a dollar sign is a command, and what follows is what it prints, on a
terminal, stdout and stderr together. A line with nothing but `…` stands for any number of lines. Of a block fenced as
`console varying` the numbers are not compared: where a training begins with random weights, it magnifies the rounding of a
processor, and ends elsewhere on another one.
"""

import html
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import rich.console
from rich.text import Text

_BLOCK = re.compile(r"(?<=```console)(?P<varying> varying)?\n(?P<text>.*?)(?=```)", re.DOTALL)
_SPEED = re.compile(r"[\d,.]+(?= (?:s|ms|img/s)\b)")
"""What differs from one machine and one minute to the next."""
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w.]*\d)")
_BAR = re.compile(r"[▏▎▍▌▋▊▉█]+")
_LEEWAY = 0.02
"""How far a number with a decimal point may be off, as a part of it: processors round differently."""
_PERCENT = re.compile(r"[\d.]+(?= ?%)")
_POINTS = 0.3
"""How far a percentage may be off, in percentage points."""
_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
ELISION = "…"
WIDTH = 100
"""Columns of the terminal."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command that a page shows.

    Attributes:
        command: for a shell.
        shown: the lines that follow it on the page.
        varying: numbers in them differ from processor to processor.
    """

    command: str
    shown: tuple[str, ...]
    varying: bool = False

    def __str__(self) -> str:
        return "\n".join([f"$ {self.command}", *self.shown])


def steps(page: str) -> list[Step]:
    """The commands of a page, in their order."""
    blocks = list(_BLOCK.finditer(page))
    assert len(blocks) == len(re.findall("^```console", page, re.MULTILINE)), "a fence that is none of ours"
    return [step for block in blocks for step in _steps_of(block)]


def _steps_of(block: re.Match[str]) -> Iterator[Step]:
    for text in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
        command, *shown = text.splitlines()
        yield Step(command, _trimmed(shown), varying=bool(block["varying"]))


def is_still_so(step: Step, said: Sequence[str]) -> bool:
    """Whether a command prints what the page shows: see `alike`."""
    if step.varying:
        return alike(*([_without_numbers(line) for line in lines] for lines in (step.shown, said)))
    return alike(step.shown, said)


def _without_numbers(line: str) -> str:
    return re.sub(r"(?<![A-Za-z])[\d.,]*\d|·|(?<=\s)[+-](?=\d)", "#", _BAR.sub("", line))


def rewritten(page: str, said: Mapping[str, Sequence[str]]) -> str:
    """The page with what its commands print now.

    Args:
        page: its text.
        said: the lines of each command that is to be shown anew.
    """

    def of_block(block: re.Match[str]) -> str:
        if not block["text"].startswith("$ "):
            return block.group()
        return f"{block['varying'] or ''}\n" + "".join(
            f"{Step(step.command, _elided(step.shown, said[step.command])) if step.command in said else step}\n"
            for step in _steps_of(block)
        )

    return _BLOCK.sub(of_block, page)


def _elided(shown: Sequence[str], said: Sequence[str]) -> tuple[str, ...]:
    """New lines, with as many left out as before."""
    if ELISION not in shown:
        return tuple(said)
    head = shown.index(ELISION)
    tail = len(shown) - head - 1
    return (*said[:head], ELISION, *(said[-tail:] if tail else ()))


def alike(shown: Sequence[str], said: Sequence[str]) -> bool:
    """Whether lines say the same, times aside, and numbers with a decimal point only nearly."""
    if ELISION in shown:
        head = shown.index(ELISION)
        tail = len(shown) - head - 1
        if head + tail > len(said):
            return False
        said = [*said[:head], *(said[-tail:] if tail else ())]
        shown = [*shown[:head], *shown[head + 1 :]]
    return len(shown) == len(said) and all(map(_is_alike, shown, said))


def _is_alike(shown: str, said: str) -> bool:
    first, second = (_SPEED.sub("", _BAR.sub("", line)) for line in (shown, said))
    is_same_text = _NUMBER.sub("#", first).split() == _NUMBER.sub("#", second).split()
    is_near = all(map(_is_near, _NUMBER.findall(first), _NUMBER.findall(second)))
    shares = zip(_PERCENT.findall(first), _PERCENT.findall(second), strict=False)
    bars = zip(_BAR.findall(shown), _BAR.findall(said), strict=False)
    return (
        is_same_text
        and is_near
        and all(abs(float(one) - float(other)) <= _POINTS for one, other in shares)
        and all(abs(len(one) - len(other)) <= 1 for one, other in bars)
    )


def _is_near(shown: str, said: str) -> bool:
    if "." not in shown:
        return shown == said
    one, other = (float(number.replace(",", "")) for number in (shown, said))
    last_place = 10.0 ** -len(shown.partition(".")[2])
    return abs(one - other) <= _LEEWAY * max(one, other) + 1.01 * last_place


def run(command: str, folder: Path, **environment: str) -> tuple[str, ...]:
    """What a command prints on a terminal, by default one without colours.

    Args:
        command: for bash.
        folder: where it runs.
        environment: what it finds in its environment beside ours.

    Returns:
        Its lines, without empty ones at the beginning and the end.

    Raises:
        AssertionError: it fails.
    """
    import pty

    terminal, end = pty.openpty()
    usual = {"TERM": "dumb", "COLUMNS": str(WIDTH), "LINES": "50", "PATH": _with_this_python()}
    process = subprocess.Popen(
        ["bash", "-eo", "pipefail", "-c", command],
        cwd=folder,
        env=os.environ | usual | environment,
        stdin=subprocess.DEVNULL,
        stdout=end,
        stderr=end,
    )
    os.close(end)
    text = b"".join(_read(terminal)).decode()
    os.close(terminal)
    assert process.wait() == 0, f"{command}\n{text}"
    assert "Traceback" not in text, text
    return _trimmed([line.rstrip() for line in text.splitlines()])


def _read(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # its other end is closed
            return
        if not data:
            return
        yield data


def _with_this_python() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def picture(command: str, said: Sequence[str]) -> str:
    """A terminal as an SVG, with a command and what it printed.

    Args:
        command: as it is typed.
        said: its lines, with the codes of colours.
    """
    console = rich.console.Console(width=WIDTH, record=True, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "dim"), (command, "bold")))
    for line in said:
        console.print(Text.from_ansi(line))
    page = console.export_svg(title="", unique_id="cnncli")
    return _FONT_FACE.sub("", page)  # fonts from elsewhere: without them, the viewer's own are as good


def lines_of(picture: str) -> list[str]:
    """The lines that an SVG of `picture` shows."""
    rows: dict[int, str] = {}
    for row, text in re.findall(r'clip-path="url\(#cnncli-line-(\d+)\)">([^<]*)</text>', picture):
        rows[int(row)] = rows.get(int(row), "") + html.unescape(text).replace("\xa0", " ")
    return [rows[row].strip() for row in sorted(rows)]


def _trimmed(lines: Sequence[str]) -> tuple[str, ...]:
    """Without empty lines at the beginning and the end."""
    full = [number for number, line in enumerate(lines) if line.strip()]
    return tuple(lines[full[0] : full[-1] + 1]) if full else ()
