"""What starting costs: `cnncli --help` and a usage error beside `python -c pass`, whole processes in turn.

python -m benchmarks.startup
"""

import statistics
import subprocess
import sys
import time

RUNS = 15


def seconds(*arguments: str) -> float:
    """Of one run of this Python, from start to end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
    return time.perf_counter() - start


def main() -> None:
    """Measure, and print the medians of what each costs more than nothing."""
    commands = {
        "cnncli --help": ("-m", "cnncli", "--help"),
        "cnncli predict --help": ("-m", "cnncli", "predict", "--help"),
        "cnncli predict --nonsense": ("-m", "cnncli", "predict", "--nonsense"),
    }
    more: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):
        floor = seconds("-c", "pass")
        for name, arguments in commands.items():
            more[name].append(seconds(*arguments) - floor)
    for name, differences in more.items():
        print(f"{name}: {statistics.median(differences):.3f} s more than python -c pass (median of {RUNS})")


if __name__ == "__main__":
    main()
