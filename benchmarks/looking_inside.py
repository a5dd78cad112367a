"""Commands that look inside a network, and `doctor`, compared with importing torch and timm alone.

python -m benchmarks.looking_inside
"""

import tempfile
from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import Command, Run, median_ratio, median_seconds, run_alternately

ROUNDS = 5
PHOTOGRAPH = str(Path(__file__).parents[1] / "sample_images" / "lemon.jpg")


def main() -> None:
    """Measure and write the section."""
    with tempfile.TemporaryDirectory() as folder:
        runs = run_alternately(_commands(folder), ROUNDS)
    rows = [_row(name, own, runs["imports"]) for name, own in runs.items() if name != "imports"]
    publish(
        "looking_inside",
        "Looking inside a network",
        f"{table(('command', 'time', 'time / imports'), rows)}\n\nOne photograph and the default network, prepared; whole processes, "
        f"medians of {ROUNDS} alternating rounds. Importing torch and timm alone takes {median_seconds(runs['imports']):.1f} s. "
        "Targets: at most 1.3 times these imports; `doctor`, here without asking servers, at most 3 s.",
        (),
    )


def _commands(folder: str) -> dict[str, Command]:
    words = {"cam": [PHOTOGRAPH], "maps": [PHOTOGRAPH], "filters": [], "receptive": [PHOTOGRAPH]}
    drawings = {
        name: ["-m", "cnncli", name, *arguments, "-o", f"{folder}/{name}.png", "--overwrite"]
        for name, arguments in words.items()
    }
    return {"imports": ["-c", "import torch, timm"], **drawings, "doctor": ["-m", "cnncli", "doctor"]}


def _row(name: str, runs: list[Run], imports: list[Run]) -> list[str]:
    return [name, f"{median_seconds(runs):.1f} s", f"{median_ratio(runs, imports):.2f}"]


if __name__ == "__main__":
    main()
