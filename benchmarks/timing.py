"""Timing of whole processes, run alternately so that load on the machine affects all of them alike; and of an engine alone."""

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
ENGINE_RUNS = 200
"""Repetitions in `engine_seconds`."""


@dataclass(frozen=True)
class Run:
    """One finished process: wall time in seconds, and its output."""

    seconds: float
    stdout: str
    stderr: str


def offline(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without network, in which Python keeps what it has compiled: it would do so again at every start."""
    quiet = {**environment, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    quiet.pop("PYTHONDONTWRITEBYTECODE", None)
    return quiet


def run(command: Command, *, may_fail: bool = False, environment: Mapping[str, str] = os.environ) -> Run:
    """Run this Python with the arguments in `command`, offline.

    Raises:
        SystemExit: the process failed, and `may_fail` is off.
    """
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=offline(environment),
    ) as process:
        stdout, stderr = process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode and not may_fail:
        raise SystemExit(f"{' '.join(command)} failed:\n{stderr}")
    return Run(seconds, stdout, stderr)


def run_alternately(
    commands: Mapping[str, Command], rounds: int, *, warm_up: bool = True, may_fail: bool = False
) -> dict[str, list[Run]]:
    """Run every command once per round, one after the other.

    Args:
        commands: by name.
        rounds: how many rounds are timed.
        warm_up: begin with a round that is not timed, so that all files are in the page cache.
        may_fail: time commands that fail, too.
    """
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(-warm_up, rounds):
        for name, command in commands.items():
            result = run(command, may_fail=may_fail)
            if number >= 0:
                runs[name].append(result)
    return runs


def median_seconds(runs: Sequence[Run]) -> float:
    """Median wall time."""
    return statistics.median(item.seconds for item in runs)


def median_ratio(slow: Sequence[Run], fast: Sequence[Run]) -> float:
    """Median over the rounds of slow / fast."""
    return statistics.median(a.seconds / b.seconds for a, b in zip(slow, fast, strict=True))


def median_difference(slow: Sequence[Run], fast: Sequence[Run]) -> float:
    """Median over the rounds of slow - fast, in seconds."""
    return statistics.median(a.seconds - b.seconds for a, b in zip(slow, fast, strict=True))


def engine_seconds(folder: ModelFolder) -> float:
    """Median latency of ONNX Runtime for a batch of one image on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder.path / GRAPH, options)
    preprocessing = folder.card.preprocessing
    batch = {"images": np.zeros((1, preprocessing.channels, *preprocessing.size), np.float32)}
    times = []
    for _ in range(ENGINE_RUNS):
        start = time.perf_counter()
        session.run(None, batch)
        times.append(time.perf_counter() - start)
    return statistics.median(times)
