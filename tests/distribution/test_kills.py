"""Drivers killed at random moments: what is resumed and joined is, byte for byte, what one process writes."""

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from cnncli import remote
from cnncli.distribution import compute
from tests.conftest import Cnncli, slow_cases
from tests.remote_stores import stores

INPUTS, PART = 400, 2
PARTS = INPUTS // PART
KINDS = ("one driver", "ray", "two drivers")

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list that names a few images many times."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(9):
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(folder / f"{number}.png")
    (folder / "4.png").write_bytes(b"nothing")
    names = itertools.islice(itertools.cycle(sorted(folder.iterdir())), INPUTS)
    (folder / "list.txt").write_text("".join(f"{name}\n" for name in names))
    return folder / "list.txt"


def command(listed: Path, parts: Path | str, colours: Path) -> list[str]:
    options = ["--part-size", str(PART), "--worker-cpus", "1", "-m", str(colours), "--resume", "-q"]
    return ["predict", "--files-from", str(listed), "--parts", str(parts), *options]


@pytest.fixture
def expected(cnncli: Cnncli, listed: Path, colours: Path, tmp_path: Path) -> bytes:
    """What one process writes."""
    assert cnncli(*command(listed, tmp_path / "one", colours)).exit_code == 3
    assert cnncli("join", tmp_path / "one", "-o", tmp_path / "one.csv").exit_code == 0
    return (tmp_path / "one.csv").read_bytes()


def count(parts: Path) -> int:
    return len(list(parts.glob("part-*")))


def kill(driver: "subprocess.Popen[bytes]") -> None:
    """Kill a driver, and what it has started and left behind."""
    children: Sequence[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    driver.wait()
    _, alive = psutil.wait_procs(children, timeout=3)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def kill_at(
    parts: Path, limit: int, start: Callable[[], "subprocess.Popen[bytes]"], rng: random.Random
) -> None:
    """Start a driver, and kill it when there are more parts than a random number."""
    number = rng.randrange(min(count(parts), limit - 1), limit)
    driver = start()
    while count(parts) <= number and driver.poll() is None:
        time.sleep(0.002)
    time.sleep(rng.random() / 50)
    kill(driver)


@pytest.mark.parametrize("seed", slow_cases(list(map(str, range(30))), {"0", "1", "2"}))
def test_killed_drivers(
    cnncli: Cnncli, listed: Path, colours: Path, expected: bytes, tmp_path: Path, seed: str
) -> None:
    rng, parts = random.Random(int(seed)), tmp_path / "parts"
    words = command(listed, parts, colours)
    kind = KINDS[int(seed) % len(KINDS)]
    if kind == "ray":
        pytest.importorskip("ray")
        words += ["--on", "ray"]

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-m", "cnncli", *words])

    other = start() if kind == "two drivers" else None
    for _ in range(1 if kind == "ray" else 2):
        kill_at(parts, PARTS, start, rng)
    if other:
        assert other.wait(120) in {0, 3}
    assert cnncli(*command(listed, parts, colours)).exit_code in {0, 3}
    assert cnncli("join", parts, "-o", tmp_path / "joined.csv").exit_code == 0
    assert (tmp_path / "joined.csv").read_bytes() == expected
    assert not [name for name in os.listdir(parts) if name.startswith(".")]


@pytest.mark.slow
def test_interrupts_while_a_store_fails_now_and_then(
    cnncli: Cnncli,
    listed: Path,
    colours: Path,
    expected: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "PAUSES", (0, 0, 0, 0))
    rng, real = random.Random(0), compute.compute_part

    def interrupt(*arguments: object, **options: object) -> object:
        if rng.random() < 1 / 50:
            raise KeyboardInterrupt
        return real(*arguments, **options)  # type: ignore[arg-type]

    with stores():
        words = command(listed, "unreliable://bucket/parts", colours)
        monkeypatch.setattr(compute, "compute_part", interrupt)
        codes = {cnncli(*words).exit_code for _ in range(6)}
        assert 130 in codes
        monkeypatch.setattr(compute, "compute_part", real)
        cnncli(*words)
        assert cnncli("join", "unreliable://bucket/parts", "-o", tmp_path / "joined.csv").exit_code == 0
    assert (tmp_path / "joined.csv").read_bytes() == expected
