"""One photograph, a prepared network, the whole process: beside a bare script, a timm script, the Hugging Face pipeline.

    python -m benchmarks.cold_start PHOTOGRAPHS

Needs `pip install '.[benchmarks]'`. The bare script imports ONNX Runtime, Pillow and NumPy, decodes, resizes and runs
the same file: less than that no program can do which uses them.
"""

from benchmarks import stage
from benchmarks.results import publish, table
from benchmarks.timing import in_turn, ratio, seconds

ROUNDS = 9
NETWORKS = ("torchvision/squeezenet1_0", "tf_efficientnet_lite0", "resnet50")


def main() -> None:
    """Measure, and write the section."""
    source = stage.arguments(__doc__)
    photograph = str(next(stage.photographs(source, 500).iterdir()))
    rows = []
    for name in NETWORKS:
        network = stage.network(name, source)
        commands = {
            "cnncli": ["-m", "cnncli", "predict", photograph, "-m", str(network.folder), "-f", "tsv"],
            "bare": ["-m", "benchmarks.peers.bare_onnx", str(network.folder / "model.onnx"), photograph],
        }
        if network.pipeline.is_dir():  # timm and transformers have no SqueezeNet
            commands["timm"] = [
                "-m",
                "benchmarks.peers.timm_one",
                network.name,
                str(network.weights),
                photograph,
            ]
            commands["pipeline"] = ["-m", "benchmarks.peers.pipeline", str(network.pipeline), photograph]
        runs = in_turn(commands, ROUNDS)
        ours = runs["cnncli"]
        rows.append(
            [
                name,
                f"{seconds(ours):.2f} s",
                f"{ratio(ours, runs['bare']):.2f}",
                *(f"{ratio(runs[peer], ours):.1f}" if peer in runs else "" for peer in ("timm", "pipeline")),
            ]
        )
    head = ("network", "cnncli", "cnncli / bare script", "timm script / cnncli", "pipeline / cnncli")
    publish(
        "cold_start",
        "Cold start: one photograph, whole process",
        f"{table(head, rows)}\n\nMedians of {ROUNDS} rounds in turn. At most 1.5 of the bare script and at least 8 times "
        "faster than the others is what we want.",
    )


if __name__ == "__main__":
    main()
