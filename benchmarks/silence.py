"""How long commands are silent on a terminal: the longest time between two outputs, and from the last one to the exit.

    python -m benchmarks.silence 'finetune photos/ -m pocket' 'doctor'
    python -m benchmarks.silence --interrupt 'fastest|epoch 1' 'finetune photos/ --tune full'

With --interrupt, Ctrl-C is pressed when the given regular expression appears, and the time until the exit is shown, too.
"""

import argparse
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Silence:
    """The outputs of a process over time.

    Attributes:
        seconds: from its start to its exit.
        longest: seconds of the longest time without output.
        before: the last words before it.
        ending: seconds from the last output to the exit.
        after_interrupt: seconds from Ctrl-C to the exit; None without one.
        code: exit code.
        output: everything it has written.
    """

    seconds: float
    longest: float
    before: str
    ending: float
    after_interrupt: float | None
    code: int
    output: str


def run_on_terminal(
    arguments: list[str],
    interrupt: str | None = None,
    *,
    columns: int = 80,
    environment: Mapping[str, str] = os.environ,
) -> Silence:
    """Run a Python process on a terminal of its own.

    Args:
        arguments: of `python`.
        interrupt: regular expression; Ctrl-C is pressed once it appears in the output.
        columns: width of the terminal.
        environment: its environment variables, to which those of the terminal are added.
    """
    controller, terminal = pty.openpty()
    environment = {**environment, "COLUMNS": str(columns), "LINES": "40", "TERM": "xterm"}
    start = last = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *arguments], stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    )
    os.close(terminal)
    output, longest, before, interrupted = "", 0.0, "", None
    while chunk := _read(controller, process):
        now = time.monotonic()
        if now - last > longest:
            longest, before = now - last, output
        last, output = now, output + chunk
        if interrupt and interrupted is None and re.search(interrupt, output):
            interrupted = now
            process.send_signal(signal.SIGINT)
    os.close(controller)
    code, end = process.wait(), time.monotonic()
    if end - last > longest:
        longest, before = end - last, output
    return Silence(
        end - start,
        longest,
        last_words(before),
        end - last,
        None if interrupted is None else end - interrupted,
        code,
        output,
    )


def _read(controller: int, process: "subprocess.Popen[bytes]") -> str:
    """The next output; nothing once the process has ended."""
    while True:
        if select.select([controller], [], [], 0.02)[0]:
            try:
                return os.read(controller, 1 << 16).decode("utf-8", "replace")
            except OSError:  # Linux, once no process has the terminal open
                return ""
        if process.poll() is not None:
            return ""


def last_words(output: str) -> str:
    """The last line with words."""
    lines = [line.strip() for line in re.split(r"[\r\n]", _ESCAPES.sub("", output))]
    return next((line[:60] for line in reversed(lines) if re.search(r"\w", line)), "(start)")


def main() -> None:
    """Run the commands and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commands", nargs="+", metavar="COMMAND", help="arguments of cnncli, in quotes")
    parser.add_argument("--interrupt", metavar="REGEX", help="press Ctrl-C when this appears")
    parser.add_argument("--show", action="store_true", help="print each command's output, too")
    options = parser.parse_args()
    print("  total  silent  ending  exit  command, and the last words before the longest silence")
    for command in options.commands:
        silence = run_on_terminal(["-m", "cnncli", *shlex.split(command)], options.interrupt)
        if options.show:
            print(silence.output)
        late = "" if silence.after_interrupt is None else f"; {silence.after_interrupt:.1f} s after Ctrl-C"
        print(
            f"{silence.seconds:6.1f}s {silence.longest:6.1f}s {silence.ending:6.1f}s {silence.code:5}  "
            f"{command}: {silence.before}{late}",
            flush=True,
        )


if __name__ == "__main__":
    main()
