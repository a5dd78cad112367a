"""Output: data goes to stdout, messages go to stderr."""

import contextlib
import io
import logging
import os
import re
import shutil
import stat
import sys
import time
import unicodedata
import warnings
from collections.abc import Iterator
from typing import TextIO

from cnncli.cli import status
from cnncli.errors import CnncliError, OutputError
from cnncli.text import printable, terminal_text

_LONGEST_LINE = 10_000
"""Characters of the longest message; a path has at most 4,096."""

_REPORTED_FROM = 1.0
"""Seconds; a shorter step is not reported where there is no spinner."""


interrupts: list[int] = []
"""The signal of each interrupt so far, which `__main__` records."""


def raise_lost_interrupt() -> None:
    """Raise the interrupt that Python or a library has swallowed, e.g. because an object was being deleted.

    Raises:
        KeyboardInterrupt: there was an interrupt, and it is not being handled at the moment.
    """
    if interrupts and sys.exception() is None:
        raise KeyboardInterrupt


def is_debugging() -> bool:
    """Whether `CNNCLI_DEBUG` asks for tracebacks and for the messages of libraries."""
    return os.environ.get("CNNCLI_DEBUG", "") not in {"", "0"}


def is_terminal(stream: TextIO | None) -> bool:
    """Whether this stream is a terminal; a closed stream is None."""
    return stream is not None and stream.isatty()


def terminal_width() -> int | None:
    """The columns of standard output; None where it is no terminal."""
    return shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None


def is_pipe(stream: TextIO | None) -> bool:
    """Whether this stream is a pipe to another program."""
    try:
        return stream is not None and stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    except (OSError, io.UnsupportedOperation):
        return False


class Console:
    """Messages of a command on stderr. Implements `records.progress.Progress`."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        """Create a console.

        Args:
            quiet: only print errors.
            verbose: also print details.
        """
        self._quiet = quiet
        self._verbose = verbose and not quiet

    def notice(self, message: str) -> None:
        """Print information."""
        if not self._quiet:
            _say(message)

    def warning(self, message: str) -> None:
        """Print a warning."""
        if not self._quiet:
            _say(f"warning: {message}")

    def detail(self, message: str) -> None:
        """Print a detail, with `verbose` only."""
        if self._verbose:
            _say(message)

    @contextlib.contextmanager
    def activity(self, message: str) -> Iterator[None]:
        """Show a spinner on a terminal while the block runs; elsewhere print how long it took, unless it was quick."""
        start = time.perf_counter()
        with self.spinner(message):
            yield
        seconds = time.perf_counter() - start
        if not is_terminal(sys.stderr) and seconds >= _REPORTED_FROM:
            self.notice(f"{message}: {seconds:.1f} s")

    @contextlib.contextmanager
    def spinner(self, message: str) -> Iterator[None]:
        """Show a spinner on a terminal while the block runs."""
        raise_lost_interrupt()
        with status.spinner(message) if self.shows_bars else contextlib.nullcontext():
            yield
        raise_lost_interrupt()

    def hidden(self) -> contextlib.AbstractContextManager[None]:
        """Hide the spinner or bar while the block prints something."""
        return status.hidden()

    @property
    def shows_bars(self) -> bool:
        """Whether progress bars are visible."""
        return not self._quiet and is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"


def error(problem: CnncliError) -> None:
    """Print an error and its hint, one line each."""
    _say(f"error: {problem.message}")
    if problem.hint:
        _say(f"hint: {problem.hint}")


def _say(message: str) -> None:
    if sys.stderr:  # None if it is closed, and print would then write to stdout
        with contextlib.suppress(OSError):  # the reader has closed the pipe
            text = _shorten(printable(" ".join(message.splitlines())))
            with status.hidden():
                print(_wrap(text) if is_terminal(sys.stderr) else text, file=sys.stderr, flush=True)


_UNBREAKABLE = re.compile(r"`[^`]*`\S*|(?<=: )cnncli .*|\S+")
"""A word, or a command to paste: one in backticks, or one from the end of a sentence to the end of the message."""


def _cells(text: str) -> int:
    """Width in terminal cells; rich's own function takes a tenth of a second to import."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _wrap(message: str) -> str:
    """A message in lines as wide as the terminal, which are not broken within words or commands."""
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        return message
    if not width or _cells(message) <= width:  # no width: a pseudo-terminal whose size nobody has set
        return message
    lines: list[str] = []
    for word in _UNBREAKABLE.findall(message):
        if lines and _cells(lines[-1]) + 1 + _cells(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(f"  {word}" if lines else word)
    return "\n".join(lines)


def _shorten(line: str) -> str:
    """A line without its middle if it is too long, such as one that quotes a damaged file."""
    half = _LONGEST_LINE // 2
    return line if len(line) <= _LONGEST_LINE else f"{line[:half]} … {line[-half:]}"


def write_data(text: str, *, is_styled: bool = False, is_last: bool = True) -> None:
    """Write data to stdout and flush: UTF-8 with plain line feeds in any locale.

    Args:
        text: the data; on a terminal, control characters are escaped, since names of files and classes may hold any.
        is_styled: the text holds escape sequences of our own, and only printable names.
        is_last: nothing remains to be done; else a closed pipe is ignored, so that files are still written.

    Raises:
        BrokenPipeError: the reader has closed the pipe, and this is the last.
        OutputError: it cannot be written for another reason.
    """
    if not sys.stdout:
        raise OutputError("cannot write to standard output: it is closed")
    if is_terminal(sys.stdout) and not is_styled:
        text = terminal_text(text)
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        with status.hidden():
            sys.stdout.write(text)
            sys.stdout.flush()
    except BrokenPipeError:
        if is_last:
            raise
        discard_stdout()
    except OSError as problem:
        discard_stdout()
        raise OutputError(f"cannot write to standard output: {problem.strerror}") from problem


def discard_stdout() -> None:
    """Redirect stdout to the null device, so that Python does not complain at exit about a stdout it cannot write."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Hide the messages of libraries: Python warnings, log lines, and what C code writes to file descriptor 2.

    libtiff, for example, reports every broken file there. Our own messages go to a copy of the descriptor. With
    `CNNCLI_DEBUG=1` nothing is hidden.
    """
    if is_debugging():
        yield
        return
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), _redirect_descriptor_2():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def _redirect_descriptor_2() -> Iterator[None]:
    try:
        is_stderr = bool(sys.stderr) and sys.stderr.fileno() == 2  # noqa: PLR2004 - stderr in C
    except (OSError, io.UnsupportedOperation):
        is_stderr = False
    if not is_stderr:  # stderr is already redirected, as in tests
        yield
        return
    original, copy = sys.stderr, os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    original.flush()
    os.dup2(null, 2)
    os.close(null)
    sys.stderr = open(copy, "w", buffering=1, encoding=original.encoding, errors="backslashreplace")  # noqa: PTH123, SIM115 - a descriptor
    try:
        yield
    finally:
        redirected, sys.stderr = sys.stderr, original
        os.dup2(copy, 2)
        with contextlib.suppress(OSError):  # the reader has closed the pipe
            redirected.close()
