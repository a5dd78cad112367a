"""OpenMP threads on a busy machine."""

import importlib.util
import os
import sys
import time
from pathlib import Path

import pytest

from cnncli.cli import openmp


@pytest.fixture(autouse=True)
def just_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a command starts."""
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    for name in ("sklearn", "torch"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    openmp.adapt_to_load()


@pytest.mark.parametrize("library", ["sklearn", "torch"])
@pytest.mark.parametrize(("is_busy", "expected"), [(True, "1000"), (False, None)])
def test_threads_sleep_soon_on_a_busy_machine(
    monkeypatch: pytest.MonkeyPatch, library: str, *, is_busy: bool, expected: str | None
) -> None:
    monkeypatch.setattr(openmp, "_is_machine_busy", lambda: is_busy)
    assert importlib.util.find_spec(library)
    assert os.environ.get("GOMP_SPINCOUNT") == expected


def test_without_openmp_or_with_a_setting_of_the_user_no_command_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openmp, "_is_machine_busy", pytest.fail)
    assert importlib.util.find_spec("numpy.random")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert importlib.util.find_spec("torch")


@pytest.mark.parametrize(("running", "is_busy", "pauses"), [(1, False, 0), (3, True, 7)])
def test_a_machine_is_busy_if_it_is_so_in_all_samples(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, running: int, *, is_busy: bool, pauses: int
) -> None:
    """An idle one is recognised at once, by the first sample."""
    loads = tmp_path / "loadavg"
    loads.write_text(f"0.50 0.60 0.70 {running}/456 7890\n")
    waited: list[float] = []
    monkeypatch.setattr(openmp, "_LOAD", loads)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(time, "sleep", waited.append)
    assert openmp._is_machine_busy() is is_busy
    assert len(waited) == pauses
