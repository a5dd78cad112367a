"""Cold start: the whole process for one photograph with a prepared network, compared with other programs.

    python -m benchmarks.cold_start PHOTOGRAPHS

Needs `pip install '.[benchmarks]'`. The bare script imports ONNX Runtime, Pillow and NumPy, decodes, resizes and runs the
same file: the least that a program built on these libraries can take.
"""

from benchmarks import photographs
from benchmarks.networks import Network, load_network
from benchmarks.results import publish, table
from benchmarks.timing import Command, median_ratio, median_seconds, run_alternately

ROUNDS = 9
NETWORKS = ("torchvision/squeezenet1_0", "tf_efficientnet_lite0", "resnet50")


def main() -> None:
    """Measure and write the section."""
    source = photographs.parse_arguments(__doc__)
    photograph = str(next(photographs.copies(source, 500).iterdir()))
    rows = [_row(name, load_network(name, source), photograph) for name in NETWORKS]
    header = ("network", "cnncli", "cnncli / bare script", "timm script / cnncli", "pipeline / cnncli")
    publish(
        "cold_start",
        "Cold start: one photograph, whole process",
        f"{table(header, rows)}\n\nMedians of {ROUNDS} alternating rounds. Targets: at most 1.25 times the bare script, and at "
        "least 8 times as fast as the others.",
    )


def _row(name: str, network: Network, photograph: str) -> list[str]:
    runs = run_alternately(_commands(network, photograph), ROUNDS)
    ours = runs["cnncli"]
    return [
        name,
        f"{median_seconds(ours):.2f} s",
        f"{median_ratio(ours, runs['bare']):.2f}",
        *(f"{median_ratio(runs[peer], ours):.1f}" if peer in runs else "" for peer in ("timm", "pipeline")),
    ]


def _commands(network: Network, photograph: str) -> dict[str, Command]:
    graph, weights, pipeline = map(str, (network.folder / "model.onnx", network.weights, network.pipeline))
    commands: dict[str, Command] = {
        "cnncli": ["-m", "cnncli", "predict", photograph, "-m", str(network.folder), "-f", "tsv"],
        "bare": ["-m", "benchmarks.peers.bare_onnx", graph, photograph],
    }
    if network.pipeline.is_dir():  # timm and transformers have no SqueezeNet
        commands["timm"] = ["-m", "benchmarks.peers.timm_one", network.name, weights, photograph]
        commands["pipeline"] = ["-m", "benchmarks.peers.pipeline", pipeline, photograph]
    return commands


if __name__ == "__main__":
    main()
