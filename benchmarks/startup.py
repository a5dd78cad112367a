"""Start-up time of --help and of a usage error in addition to that of `python -c pass`, as whole processes.

python -m benchmarks.startup
"""

from benchmarks.results import publish, table
from benchmarks.timing import median_difference, run_alternately

ROUNDS = 15
COMMANDS = ("--help", "predict --help", "predict --nonsense", "models --help")


def main() -> None:
    """Measure and write the section."""
    empty = {"empty": ["-c", "pass"]}
    ours = {command: ["-m", "cnncli", *command.split()] for command in COMMANDS}
    runs = run_alternately(empty | ours, ROUNDS, may_fail=True)
    rows = [
        [f"`cnncli {command}`", f"{median_difference(runs[command], runs['empty']):.3f}"]
        for command in COMMANDS
    ]
    publish(
        "startup",
        "Start-up",
        f"Seconds in addition to `python -c pass`, whole processes run alternately, medians of {ROUNDS} rounds. Target: at "
        f"most 0.25.\n\n{table(('command', 'seconds'), rows)}",
        (),
    )


if __name__ == "__main__":
    main()
