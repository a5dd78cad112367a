"""What starting costs: help and a usage error beside `python -c pass`, whole processes in turn.

python -m benchmarks.startup
"""

from benchmarks.results import publish, table
from benchmarks.timing import in_turn, more

ROUNDS = 15
COMMANDS = ("--help", "predict --help", "predict --nonsense", "models --help")


def main() -> None:
    """Measure, and write the section."""
    nothing = {"nothing": ["-c", "pass"]}
    ours = {command: ["-m", "cnncli", *command.split()] for command in COMMANDS}
    runs = in_turn(nothing | ours, ROUNDS, may_fail=True)
    rows = [[f"`cnncli {command}`", f"{more(runs[command], runs['nothing']):.3f}"] for command in COMMANDS]
    publish(
        "startup",
        "Starting",
        f"Seconds more than `python -c pass`, whole processes in turn, medians of {ROUNDS} rounds. At most 0.25 is what "
        f"we want.\n\n{table(('command', 'seconds'), rows)}",
        (),
    )


if __name__ == "__main__":
    main()
