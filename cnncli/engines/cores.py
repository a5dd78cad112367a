"""How many cores this process may use, and by which threads."""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Cores that this process may use: fewer than the machine has under taskset, in a cpuset, or with a CPU quota."""
    is_limited = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if is_limited else os.cpu_count() or 1
    quota = cpu_quota()
    return min(cores, max(1, math.ceil(quota))) if quota else cores


def cpu_quota(groups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> float | None:
    """The CPU time per second that Linux lets this container or job use, in cores; None without a limit.

    Args:
        groups: where control groups are mounted, version 1 or 2.
        membership: the file with the groups of this process.
    """
    quotas = [quota for folder in _folders(groups, membership) if (quota := _read_quota(folder))]
    return min(quotas, default=None)


def _folders(groups: Path, membership: Path) -> Iterator[Path]:
    """The folders of the process's control groups that may limit its CPU time, and of those around them."""
    try:
        lines = membership.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        names = controllers.split(",")
        if controllers and "cpu" not in names:
            continue
        root = groups / "cpu" if controllers else groups
        folder = root / path.strip("/")
        yield from (folder, *(parent for parent in folder.parents if parent.is_relative_to(root)))


def _read_quota(folder: Path) -> float | None:
    """The quota of a control group in cores; version 2 has it in one file, version 1 in two."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        return float(quota) / float(period) if quota not in {"max", "-1"} else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def one_blas_thread() -> contextlib.AbstractContextManager[object]:
    """Let NumPy and SciPy multiply matrices in one thread.

    Where there are many small products, waking threads for each takes several times longer than they save (5 times for solvers
    with 1,651 embeddings of 1,280 features, 3 times with 20,000, on two cores).
    """
    import threadpoolctl

    limits: contextlib.AbstractContextManager[object] = threadpoolctl.threadpool_limits(1, "blas")
    return limits
