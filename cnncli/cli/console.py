"""The one place for stdout and stderr: data goes to the one, talk to the other."""

import contextlib
import io
import logging
import os
import stat
import sys
import warnings
from collections.abc import Iterator
from typing import TextIO

from cnncli.errors import CnncliError, OutputError
from cnncli.text import printable


def is_debugging() -> bool:
    """Whether `CNNCLI_DEBUG` asks for tracebacks and for what libraries say."""
    return os.environ.get("CNNCLI_DEBUG", "") not in {"", "0"}


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person reads this stream; a closed one is None."""
    return stream is not None and stream.isatty()


def is_pipe(stream: TextIO | None) -> bool:
    """Whether another program reads this stream."""
    try:
        return stream is not None and stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    except (OSError, io.UnsupportedOperation):
        return False


class Console:
    """What a command says to its user. Implements `records.progress.Progress`."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        """Talk, on stderr.

        Args:
            quiet: only errors are said.
            verbose: details are said, too.
        """
        self._quiet = quiet
        self._verbose = verbose and not quiet

    def notice(self, message: str) -> None:
        """Something worth knowing."""
        if not self._quiet:
            _say(message)

    def warning(self, message: str) -> None:
        """Something that may surprise."""
        if not self._quiet:
            _say(f"warning: {message}")

    def detail(self, message: str) -> None:
        """Something for those who asked for more."""
        if self._verbose:
            _say(message)

    @contextlib.contextmanager
    def activity(self, message: str) -> Iterator[None]:
        """Something that takes seconds: a spinner for as long as the block lasts where somebody sees it, else a line."""
        if not self.shows_bars:
            self.notice(message)
            yield
            return
        import rich.console
        from rich import progress

        columns = (
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}"),
            progress.TimeElapsedColumn(),
        )
        screen = rich.console.Console(stderr=True)
        with progress.Progress(*columns, console=screen, transient=True, redirect_stdout=False) as spinner:
            spinner.add_task(message, total=None)
            yield

    @property
    def shows_bars(self) -> bool:
        """Whether a moving bar would be seen."""
        return not self._quiet and is_terminal(sys.stderr)


def error(problem: CnncliError) -> None:
    """A problem in one line, and a hint in another."""
    _say(f"error: {problem.message}")
    if problem.hint:
        _say(f"hint: {problem.hint}")


def _say(message: str) -> None:
    if sys.stderr:  # None where it is closed, and print would then take stdout instead
        with contextlib.suppress(OSError):  # nobody listens any more
            print(printable(" ".join(message.splitlines())), file=sys.stderr, flush=True)


def write_data(text: str) -> None:
    """Data to stdout at once: UTF-8 and plain line feeds, whatever the locale says.

    Raises:
        BrokenPipeError: the reader has gone.
        OutputError: it cannot be written otherwise.
    """
    if not sys.stdout:
        raise OutputError("cannot write to standard output: it is closed")
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as problem:
        discard_stdout()
        raise OutputError(f"cannot write to standard output: {problem.strerror}") from problem


def discard_stdout() -> None:
    """Where stdout cannot be written any more: keep Python from complaining about it at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what libraries say off the user's screen: Python's warnings and log lines, and C code that writes to descriptor 2.

    libtiff, for one, reports every broken file there. Our own words go to a copy of the descriptor.
    `CNNCLI_DEBUG=1` lets everything through.
    """
    if is_debugging():
        yield
        return
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), _descriptor_2_closed():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def _descriptor_2_closed() -> Iterator[None]:
    try:
        is_stderr = bool(sys.stderr) and sys.stderr.fileno() == 2  # noqa: PLR2004 - the number that C knows
    except (OSError, io.UnsupportedOperation):
        is_stderr = False
    if not is_stderr:  # somebody holds stderr already, as tests do
        yield
        return
    original, copy = sys.stderr, os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    original.flush()
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = open(copy, "w", buffering=1, encoding=original.encoding, errors="backslashreplace")  # noqa: PTH123, SIM115 - a descriptor
    try:
        yield
    finally:
        spoken, sys.stderr = sys.stderr, original
        os.dup2(copy, 2)
        with contextlib.suppress(OSError):  # nobody listens any more
            spoken.close()
