"""The console blocks of a page: run their commands as a reader would, and compare the output with what the page shows.

In a block fenced as `console`, a line that starts with a dollar sign is a command, and the lines below are what it prints on a
terminal (stdout and stderr). A line that consists of `…` stands for any number of lines. In a block fenced as `console varying`,
numbers are not compared: training from random weights magnifies rounding differences between processors. A block fenced as
`console commands` lists commands without what they print. A block fenced with a language and a file name, such as
`python classify.py`, is a file that the commands use.
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

_BLOCK = re.compile(r"(?<=```console)(?P<kind> varying| commands)?\n(?P<text>.*?)(?=```)", re.DOTALL)
_FILE = re.compile(r"^```\w+ (?P<name>\S+\.\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_SPEED = re.compile(r"[\d,.]+(?= (?:s|ms|img/s)\b)")
"""Times and speeds, which are different on every run."""
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w.]*\d)")
_BAR = re.compile(r"[▏▎▍▌▋▊▉█]+")
_RELATIVE_TOLERANCE = 0.02
"""Of numbers with a decimal point, since processors round differently."""
_PERCENT = re.compile(r"[\d.]+(?= ?%)")
_PERCENT_TOLERANCE = 0.3
"""In percentage points."""
_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
ELISION = "…"
WIDTH = 100
"""Width of the terminal in columns."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command and its output on a page.

    Attributes:
        command: shell command.
        output: the lines below it on the page.
        varying: whether the numbers in the output depend on the processor.
        is_output_shown: whether the page shows what the command prints.
    """

    command: str
    output: tuple[str, ...]
    varying: bool = False
    is_output_shown: bool = True

    def __str__(self) -> str:
        return "\n".join([f"$ {self.command}", *self.output])


def steps(page: str) -> list[Step]:
    """The commands of a page and their outputs, in order."""
    blocks = list(_BLOCK.finditer(page))
    assert len(blocks) == len(re.findall("^```console", page, re.MULTILINE)), "unknown kind of console fence"
    return [step for block in blocks for step in _block_steps(block)]


def _block_steps(block: re.Match[str]) -> Iterator[Step]:
    for text in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
        command, *output = text.splitlines()
        yield Step(
            command,
            _strip_empty_lines(output),
            varying=block["kind"] == " varying",
            is_output_shown=block["kind"] != " commands",
        )


def files(page: str) -> dict[str, str]:
    """The files that a page shows, by name."""
    return {block["name"]: block["text"] for block in _FILE.finditer(page)}


def matches(step: Step, output: Sequence[str]) -> bool:
    """Whether the output of a command is what the page shows, as defined by `outputs_agree`."""
    if not step.is_output_shown:
        return True
    if step.varying:
        return outputs_agree(*([_mask_numbers(line) for line in lines] for lines in (step.output, output)))
    return outputs_agree(step.output, output)


def _mask_numbers(line: str) -> str:
    return re.sub(r"(?<![A-Za-z])[\d.,]*\d|·|(?<=\s)[+-](?=\d)", "#", _BAR.sub("", line))


def update_page(page: str, outputs: Mapping[str, Sequence[str]]) -> str:
    """The text of a page with new outputs.

    Args:
        page: its text.
        outputs: new output lines by command; commands that are missing here keep theirs.
    """

    def update_block(block: re.Match[str]) -> str:
        if not block["text"].startswith("$ ") or block["kind"] == " commands":
            return block.group()
        return f"{block['kind'] or ''}\n" + "".join(
            f"{Step(step.command, _elide(step.output, outputs[step.command])) if step.command in outputs else step}\n"
            for step in _block_steps(block)
        )

    return _BLOCK.sub(update_block, page)


def _elide(page_lines: Sequence[str], output: Sequence[str]) -> tuple[str, ...]:
    """New output, with as many lines before and after an elision as the page has."""
    if ELISION not in page_lines:
        return tuple(output)
    head = page_lines.index(ELISION)
    tail = len(page_lines) - head - 1
    return (*output[:head], ELISION, *(output[-tail:] if tail else ()))


def outputs_agree(page_lines: Sequence[str], output: Sequence[str]) -> bool:
    """Whether output lines are those on a page, ignoring times, small differences of numbers with a decimal point, and empty lines."""
    page_lines, output = ([line for line in lines if line.strip()] for lines in (page_lines, output))
    if ELISION in page_lines:
        head = page_lines.index(ELISION)
        tail = len(page_lines) - head - 1
        if head + tail > len(output):
            return False
        output = [*output[:head], *(output[-tail:] if tail else ())]
        page_lines = [*page_lines[:head], *page_lines[head + 1 :]]
    return len(page_lines) == len(output) and all(map(_lines_agree, page_lines, output))


def _lines_agree(page_line: str, line: str) -> bool:
    first, second = (_SPEED.sub("", _BAR.sub("", text)) for text in (page_line, line))
    is_same_text = _NUMBER.sub("#", first).split() == _NUMBER.sub("#", second).split()
    is_close = all(map(_numbers_agree, _NUMBER.findall(first), _NUMBER.findall(second)))
    percentages = zip(_PERCENT.findall(first), _PERCENT.findall(second), strict=False)
    bars = zip(_BAR.findall(page_line), _BAR.findall(line), strict=False)
    return (
        is_same_text
        and is_close
        and all(abs(float(one) - float(other)) <= _PERCENT_TOLERANCE for one, other in percentages)
        and all(abs(len(one) - len(other)) <= 1 for one, other in bars)
    )


def _numbers_agree(page_number: str, number: str) -> bool:
    if "." not in page_number:
        return page_number == number
    one, other = (float(text.replace(",", "")) for text in (page_number, number))
    last_place = 10.0 ** -len(page_number.partition(".")[2])
    return abs(one - other) <= _RELATIVE_TOLERANCE * max(one, other) + 1.01 * last_place


def run(command: str, folder: Path, **environment: str) -> tuple[str, ...]:
    """Run a command on a pseudo-terminal, by default one without colours.

    Args:
        command: bash command.
        folder: working directory.
        environment: environment variables in addition to those of this process.

    Returns:
        The output lines, without empty lines at the beginning and the end.

    Raises:
        AssertionError: the command fails.
    """
    import pty
    import termios

    terminal, process_end = pty.openpty()
    termios.tcsetwinsize(process_end, (50, WIDTH))
    defaults = {"TERM": "dumb", "COLUMNS": str(WIDTH), "LINES": "50", "PATH": _path_with_this_python()}
    process = subprocess.Popen(
        ["bash", "-eo", "pipefail", "-c", command],
        cwd=folder,
        env=os.environ | defaults | environment,
        stdin=subprocess.DEVNULL,
        stdout=process_end,
        stderr=process_end,
    )
    os.close(process_end)
    text = b"".join(_read(terminal)).decode()
    os.close(terminal)
    assert process.wait() == 0, f"{command}\n{text}"
    assert "Traceback" not in text, text
    return _strip_empty_lines([line.rstrip() for line in text.splitlines()])


def _read(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the process has closed its end
            return
        if not data:
            return
        yield data


def _path_with_this_python() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def terminal_svg(command: str, output: Sequence[str]) -> str:
    """A picture of a terminal with a command and its output, as SVG.

    Args:
        command: the command as typed.
        output: its lines, including escape sequences for colours.
    """
    console = rich.console.Console(width=WIDTH, record=True, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "dim"), (command, "bold")))
    for line in output:
        console.print(Text.from_ansi(line))
    svg = console.export_svg(title="", unique_id="cnncli")
    return _FONT_FACE.sub("", svg)  # without fonts from a server, the viewer uses its own


def svg_lines(svg: str) -> list[str]:
    """The lines of text in an SVG by `terminal_svg`."""
    rows: dict[int, str] = {}
    for row, text in re.findall(r'clip-path="url\(#cnncli-line-(\d+)\)">([^<]*)</text>', svg):
        rows[int(row)] = rows.get(int(row), "") + html.unescape(text).replace("\xa0", " ")
    return [rows[row].strip() for row in sorted(rows)]


def _strip_empty_lines(lines: Sequence[str]) -> tuple[str, ...]:
    """Remove empty lines at the beginning and the end."""
    filled = [number for number, line in enumerate(lines) if line.strip()]
    return tuple(lines[filled[0] : filled[-1] + 1]) if filled else ()
