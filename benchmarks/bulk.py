"""Throughput of `predict` compared with other programs, as whole processes.

    python -m benchmarks.bulk PHOTOGRAPHS

Needs `pip install '.[benchmarks]'`. Takes half an hour on two cores.
"""

from pathlib import Path

from benchmarks import photographs
from benchmarks.networks import Network, load_network
from benchmarks.results import publish, table
from benchmarks.timing import Command, Run, median_ratio, median_seconds, run_alternately
from cnncli.networks.model_folder import open_folder

IMAGES, ROUNDS = 1000, 3
NETWORKS = ("resnet50", "mobilenetv3_small_100")
TORCHVISION = {"resnet50": "resnet50", "mobilenetv3_small_100": "torchvision/mobilenet_v3_small"}
"""torchvision's ResNet-50 has timm's tensor names and takes its weights; its MobileNet is another network."""
ENGINES = {
    "cnncli": (),
    "cnncli --engine openvino --precision bf16": ("--engine", "openvino", "--precision", "bf16"),
}
"""Options of `predict`, by column; bf16 needs a processor with bf16 arithmetic."""


def predict_command(network: Network, images: Path, *options: str) -> list[str]:
    """`cnncli predict` on a folder or a file."""
    fixed = ["-m", str(network.folder), "-f", "tsv", "--label-style", "index", "-q"]
    return ["-m", "cnncli", "predict", str(images), *fixed, *options]


def agreement(ours: Run, theirs: Run) -> int:
    """How many images both give the same class."""
    labels = [line.split("\t")[1] for line in ours.stdout.splitlines()]
    return sum(a == b for a, b in zip(labels, theirs.stdout.split(), strict=True))


def compare(name: str, source: Path) -> list[list[str]]:
    """Table rows: network, peer, its time, and for each engine the ratio of times and the number of equal classes."""
    images = photographs.copies(source, IMAGES)
    network, torchvision = load_network(name, source), load_network(TORCHVISION[name], source)
    ours = {
        f"{item.name} {engine}": predict_command(item, images, *options)
        for item in (network, torchvision)
        for engine, options in ENGINES.items()
    }
    peers = _peer_commands(network, torchvision, images)
    runs = run_alternately(peers | ours, ROUNDS, warm_up=False)
    rows = []
    for peer in peers:
        item = torchvision if peer.startswith("torchvision") else network
        cells = []
        for engine in ENGINES:
            own = runs[f"{item.name} {engine}"]
            cells += [f"{median_ratio(runs[peer], own):.1f}", f"{agreement(own[0], runs[peer][0]):,}"]
        rows.append([item.name, peer, f"{median_seconds(runs[peer]):.1f} s", *cells])
    return rows


def _peer_commands(network: Network, torchvision: Network, images: Path) -> dict[str, Command]:
    preprocessing = open_folder(torchvision.folder).card.preprocessing
    return {
        "timm: dataset, loader, eager": [
            "-m", "benchmarks.peers.timm_folder", network.name, str(network.weights), str(images),
        ],
        "Hugging Face pipeline": ["-m", "benchmarks.peers.pipeline", str(network.pipeline), str(images)],
        "torchvision: DataLoader, eager": [
            "-m", "benchmarks.peers.torchvision_folder", torchvision.name, str(torchvision.weights), str(images),
            str(preprocessing.resize[0]), preprocessing.interpolation,
        ],
    }  # fmt: skip


def main() -> None:
    """Measure and write the section."""
    source = photographs.parse_arguments(__doc__)
    rows = [row for name in NETWORKS for row in compare(name, source)]
    header = ["network", "peer", "peer's time"]
    for engine in ENGINES:
        header += [f"peer / {engine}", f"same class, of {IMAGES:,}"]
    publish(
        "bulk",
        "Throughput on many photographs",
        f"{IMAGES:,} photographs (those of PHOTOGRAPHS, repeated), whole processes run alternately, medians of "
        f"{ROUNDS} rounds. All programs use the same random weights, with batch normalisation statistics computed from the "
        "photographs. Target: at least 3; where it is less, most of the time is spent in the network itself.\n\n"
        f"{table(header, rows)}",
    )


if __name__ == "__main__":
    main()
