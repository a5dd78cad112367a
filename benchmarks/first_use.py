"""The default model: its preparation, the first `predict` and the second.

    python -m benchmarks.first_use

The floor of the first is importing torch, torchvision and timm, which prepare it; that of the second is a bare script of ONNX
Runtime, Pillow and NumPy. Whole processes, no hub.
"""

from pathlib import Path

from benchmarks.results import publish, table
from benchmarks.timing import in_turn, ratio, seconds
from cnncli.networks.reference import Reference
from cnncli.prepare import prepare
from cnncli.records.defaults import DEFAULT
from cnncli.records.progress import NullProgress

ROUNDS = 5
IMAGE = Path(__file__).parents[1] / "sample_images" / "lemon.jpg"


def main() -> None:
    """Measure, and write the section."""
    folder = prepare(Reference(DEFAULT), NullProgress(), is_offline=True).path
    predict = ["predict", str(IMAGE), "-f", "tsv", "--offline"]
    runs = in_turn(
        {
            "first": ["-m", "benchmarks.peers.fresh_home", *predict],
            "imports": ["-m", "benchmarks.peers.imports"],
            "second": ["-m", "cnncli", *predict],
            "bare": ["-m", "benchmarks.peers.bare_onnx", str(folder / "model.onnx"), str(IMAGE)],
        },
        ROUNDS,
    )
    rows = [
        (
            "first `predict`, which prepares it",
            f"{seconds(runs['first']):.1f} s",
            f"{ratio(runs['first'], runs['imports']):.2f}",
        ),
        (
            "second `predict`",
            f"{seconds(runs['second']):.2f} s",
            f"{ratio(runs['second'], runs['bare']):.2f}",
        ),
    ]
    publish(
        "first_use",
        "First use of the default model",
        f"{table((DEFAULT, 'whole process', 'beside its floor'), rows)}\n\nMedians of {ROUNDS} rounds in turn. The floor of the "
        f"first is importing torch, torchvision and timm ({seconds(runs['imports']):.1f} s), that of the second a bare script "
        f"({seconds(runs['bare']):.2f} s).",
        (),
    )


if __name__ == "__main__":
    main()
