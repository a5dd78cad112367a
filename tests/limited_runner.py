"""Runs command lines of cnncli, each in a process of its own under limits of time and memory, and prints what came of them.

    python limited_runner.py FOLDER… < lines.jsonl > results.jsonl

FOLDER: where nothing may change. The processes are forked from this one, which has imported what takes long. Linux only.
"""

import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cnncli.cli import app

MODULES = ("numpy", "PIL.Image", "onnxruntime", "torch", "timm", "torchvision", "matplotlib.figure", "onnx")

WAIT, SECONDS = 300, 30
"""Limits of a line: seconds until it ends, which a busy machine may need, and seconds of computing."""

MEMORY = 4 << 30
"""Limit of a line's address space in bytes, on top of what the imports take."""


def main(folders: Sequence[str]) -> None:
    """Run the lines of standard input, each a list of words in JSON; write a JSON document for each."""
    for name in app.COMMANDS:
        importlib.import_module(f"cnncli.cli.{name}")
    for name in MODULES:
        importlib.import_module(name)
    for text in sys.stdin:
        before = content(folders)
        result = run(json.loads(text))
        after = content(folders)
        changes = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        sys.stdout.write(json.dumps(result | {"changes": changes}) + "\n")
        sys.stdout.flush()


def content(folders: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """What tells whether a file or folder has changed, by path; reading leaves it as it is."""
    paths = [
        Path(root, name) for folder in folders for root, _, files in os.walk(folder) for name in [".", *files]
    ]
    states = {str(path): path.lstat() for path in paths}
    return {
        path: (state.st_ino, state.st_mode, state.st_size, state.st_ctime_ns)
        for path, state in states.items()
    }


def run(line: Sequence[str]) -> dict[str, Any]:
    """What a line has written to stdout and stderr, its exit code (negative: a signal), seconds and peak memory in bytes."""
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


def _run_here(line: Sequence[str], stdout: int, stderr: int) -> None:
    """Run a line in this process, and end it."""
    os.setpgrp()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = 1
    try:
        app.app(list(line), prog_name="cnncli")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int) -> tuple[int, int]:
    """Peak memory in bytes and exit code of a process, which is killed with all that it has started when its time is over."""
    deadline = time.monotonic() + WAIT
    while not (ended := os.wait4(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.005)
    return ended[2].ru_maxrss << 10, os.waitstatus_to_exitcode(ended[1])


if __name__ == "__main__":
    main(sys.argv[1:])
