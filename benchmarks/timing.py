"""Whole processes timed in turn, so that whatever else the machine does hits all of them alike; and an engine alone."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime

from cnncli.networks.model_folder import GRAPH, ModelFolder

Command = Sequence[str]
IMAGES = 200
"""That are timed by `engine_seconds`."""


@dataclass(frozen=True)
class Run:
    """One process: seconds from start to end, and what it wrote to stdout and stderr."""

    seconds: float
    printed: str
    said: str


def run(command: Command, *, may_fail: bool = False, environment: Mapping[str, str] = os.environ) -> Run:
    """One process of this Python, offline: its arguments follow `python`."""
    environment = {**environment} | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or one's own code would be compiled at every start
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        printed, said = process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode and not may_fail:
        raise SystemExit(f"{' '.join(command)} failed:\n{said}")
    return Run(seconds, printed, said)


def in_turn(
    commands: Mapping[str, Command], times: int, *, warm_up: bool = True, may_fail: bool = False
) -> dict[str, list[Run]]:
    """Each command so many times, one after the other.

    Args:
        commands: by name.
        times: rounds.
        warm_up: begin with a round that does not count, so that all files are in the disk's cache.
        may_fail: a command that fails is timed, too.
    """
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(-warm_up, times):
        for name, command in commands.items():
            done = run(command, may_fail=may_fail)
            if number >= 0:
                runs[name].append(done)
    return runs


def seconds(runs: Sequence[Run]) -> float:
    """The median."""
    return statistics.median(item.seconds for item in runs)


def ratio(slow: Sequence[Run], fast: Sequence[Run]) -> float:
    """How many times longer the one takes: the median over the rounds."""
    return statistics.median(a.seconds / b.seconds for a, b in zip(slow, fast, strict=True))


def more(slow: Sequence[Run], fast: Sequence[Run]) -> float:
    """How many seconds longer the one takes: the median over the rounds."""
    return statistics.median(a.seconds - b.seconds for a, b in zip(slow, fast, strict=True))


def engine_seconds(folder: ModelFolder) -> float:
    """The median time of ONNX Runtime alone for one image, on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder.path / GRAPH, options)
    how = folder.card.preprocessing
    image = {"images": np.zeros((1, how.channels, *how.size), np.float32)}
    times = []
    for _ in range(IMAGES):
        start = time.perf_counter()
        session.run(None, image)
        times.append(time.perf_counter() - start)
    return statistics.median(times)
