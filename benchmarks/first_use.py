"""First use of the default model: a `predict` that prepares it, and the next one.

    python -m benchmarks.first_use

The floor of the first is importing torch, torchvision and timm, which preparing needs; that of the second is a bare script
with ONNX Runtime, Pillow and NumPy. Whole processes, offline.
"""

from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import median_ratio, median_seconds, run_alternately
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.defaults import DEFAULT
from cnncli.records.progress import NullProgress

ROUNDS = 5
IMAGE = Path(__file__).parents[1] / "sample_images" / "lemon.jpg"


def main() -> None:
    """Measure and write the section."""
    folder = prepare(Reference(DEFAULT), NullProgress(), is_offline=True).path
    predict = ["predict", str(IMAGE), "-f", "tsv", "--offline"]
    runs = run_alternately(
        {
            "first": ["-m", "benchmarks.peers.fresh_home", *predict],
            "imports": ["-m", "benchmarks.peers.imports"],
            "second": ["-m", "cnncli", *predict],
            "bare": ["-m", "benchmarks.peers.bare_onnx", str(folder / "model.onnx"), str(IMAGE)],
        },
        ROUNDS,
    )
    seconds = {name: median_seconds(items) for name, items in runs.items()}
    first, second = (
        f"{median_ratio(runs[command], runs[floor]):.2f}"
        for command, floor in (("first", "imports"), ("second", "bare"))
    )
    rows = [
        ("first `predict`, which prepares it", f"{seconds['first']:.1f} s", first),
        ("second `predict`", f"{seconds['second']:.2f} s", second),
    ]
    publish(
        "first_use",
        "First use of the default model",
        f"{table((DEFAULT, 'whole process', 'time / floor'), rows)}\n\nMedians of {ROUNDS} alternating rounds. The floor of the "
        f"first is importing torch, torchvision and timm ({seconds['imports']:.1f} s), that of the second a bare script "
        f"({seconds['bare']:.2f} s).",
        (),
    )


if __name__ == "__main__":
    main()
