"""Runs command lines of cnncli, each in a process of its own under limits of time and memory, and prints what came of them.

    python limited_runner.py < lines.json > results.jsonl

The processes are forked from this one, which has imported everything that takes long. Linux only.
"""

import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

MODULES = (
    "numpy",
    "PIL.Image",
    "onnxruntime",
    "torch",
    "timm",
    "torchvision",
    "matplotlib.figure",
    "onnx",
    "sklearn.linear_model",
)

SECONDS = 10
"""Limit of a line's time."""

MEMORY = 4 << 30
"""Limit of a line's address space in bytes, on top of what the imports take."""


def main() -> None:
    """Run the lines of standard input, a list of lists of words; print a JSON document for each."""
    from cnncli.cli import app

    for name in app.COMMANDS:
        importlib.import_module(f"cnncli.cli.{name}")
    for name in MODULES:
        importlib.import_module(name)
    for line in json.load(sys.stdin):
        sys.stdout.write(json.dumps(run(line)) + "\n")
        sys.stdout.flush()


def run(line: list[str]) -> dict[str, Any]:
    """What a line has written to stdout and stderr, its exit code (None if it took too long), seconds and peak memory in bytes."""
    streams = [os.memfd_create(name) for name in ("stdout", "stderr")]
    start = time.monotonic()
    child = os.fork()
    if not child:
        _run_here(line, *streams)
    peak, code = _wait(child)
    seconds = time.monotonic() - start
    texts = [os.pread(stream, 1 << 20, 0).decode("utf-8", "surrogateescape") for stream in streams]
    for stream in streams:
        os.close(stream)
    return {"code": code, "seconds": seconds, "peak": peak, "stdout": texts[0], "stderr": texts[1]}


def _run_here(line: list[str], stdout: int, stderr: int) -> None:
    """Run a line in this process, and end it."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = 1
    try:
        from cnncli.cli.app import app

        app([os.fsdecode(os.fsencode(word)) for word in line], prog_name="cnncli")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int) -> tuple[int, int | None]:
    """Peak memory in bytes and exit code of a process and what it has started, which are ended when the time is over."""
    deadline = time.monotonic() + SECONDS
    is_late = False
    while not (ended := os.wait4(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline and not is_late:
            is_late = True
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.005)
    return ended[2].ru_maxrss << 10, None if is_late else os.waitstatus_to_exitcode(ended[1])


if __name__ == "__main__":
    main()
