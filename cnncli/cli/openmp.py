"""OpenMP threads spin while they wait for each other, which is best on idle cores.

On busy ones they spin for a thread that is not scheduled, and training takes ten times as long: there, they are made to sleep soon.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

_SETTINGS = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
"""Environment variables with which users decide for themselves."""

_LIBRARIES = {"sklearn", "torch"}
"""Libraries with OpenMP threads; they may share one OpenMP, which reads its settings when it is loaded."""

_LOAD = Path("/proc/loadavg")
_SAMPLES, _INTERVAL = 8, 0.01
"""Number of load samples and seconds between them; a single one may catch a short-lived process."""


def adapt_to_load() -> None:
    """Look at the load of the machine as soon as a library with OpenMP is imported, not before."""
    sys.meta_path.insert(0, _ImportWatcher())


class _ImportWatcher:
    """A finder that finds no module, but learns which one is about to be imported."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None, /) -> None:  # noqa: ARG002 - as importlib calls it
        """Nothing; before another finder finds a library with OpenMP, its threads are set up."""
        if name in _LIBRARIES and _SETTINGS.isdisjoint(os.environ) and _is_machine_busy():
            os.environ["GOMP_SPINCOUNT"] = "1000"


def _is_machine_busy() -> bool:
    """Whether other processes have been using at least half of the cores in all samples; False where not on Linux."""
    for sample in range(_SAMPLES):
        if sample:
            time.sleep(_INTERVAL)
        try:
            running = int(_LOAD.read_text(encoding="ascii").split()[3].partition("/")[0])
        except (OSError, ValueError, IndexError):
            return False
        if 2 * (running - 1) < (os.cpu_count() or 1):
            return False
    return True
