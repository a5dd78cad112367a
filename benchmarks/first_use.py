"""First use of a network: a `predict` that prepares it, and for the default model the next one.

    python -m benchmarks.first_use

The floor of the first is importing torch, torchvision and timm, which preparing needs; that of the second is a bare script
with ONNX Runtime, Pillow and NumPy. Whole processes, offline; ResNet-50 has random weights.
"""

from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import median_ratio, median_seconds, run_alternately
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.defaults import DEFAULT
from cnncli.records.progress import NullProgress

ROUNDS = 5
LARGER = "resnet50"
IMAGE = Path(__file__).parents[1] / "sample_images" / "lemon.jpg"


def main() -> None:
    """Measure and write the section."""
    folder = prepare(Reference(DEFAULT), NullProgress(), is_offline=True).path
    predict = ["predict", str(IMAGE), "-f", "tsv", "--offline"]
    runs = run_alternately(
        {
            "first": ["-m", "benchmarks.peers.fresh_home", *predict],
            "larger": ["-m", "benchmarks.peers.fresh_home", *predict, "-m", LARGER, "--no-pretrained"],
            "imports": ["-m", "benchmarks.peers.imports"],
            "second": ["-m", "cnncli", *predict],
            "bare": ["-m", "benchmarks.peers.bare_onnx", str(folder / "model.onnx"), str(IMAGE)],
        },
        ROUNDS,
    )
    seconds = {name: median_seconds(items) for name, items in runs.items()}
    rows = [
        (name, what, f"{seconds[command]:.{digits}f} s", f"{median_ratio(runs[command], runs[floor]):.2f}")
        for command, floor, name, what, digits in (
            ("first", "imports", DEFAULT, "first `predict`, which prepares it", 1),
            ("larger", "imports", LARGER, "first `predict`, which prepares it", 1),
            ("second", "bare", DEFAULT, "second `predict`", 2),
        )
    ]
    publish(
        "first_use",
        "First use of a network",
        f"{table(('network', 'command', 'whole process', 'time / floor'), rows)}\n\nMedians of {ROUNDS} alternating rounds. The "
        f"floor of the first is importing torch, torchvision and timm ({seconds['imports']:.1f} s), that of the second a bare "
        f"script ({seconds['bare']:.2f} s).",
        (),
    )


if __name__ == "__main__":
    main()
