"""Many photographs, beside the peers, whole processes.

    python -m benchmarks.bulk PHOTOGRAPHS

Needs `pip install '.[benchmarks]'`. Half an hour on two cores.
"""

from pathlib import Path

from benchmarks import stage
from benchmarks.results import publish, table
from benchmarks.timing import Run, in_turn, ratio, seconds
from cnncli.networks.model_folder import open_folder

PEER_IMAGES = 1000
PEER_ROUNDS = 3
MAIN = ("resnet50", "mobilenetv3_small_100")
TORCHVISION = {"resnet50": "resnet50", "mobilenetv3_small_100": "torchvision/mobilenet_v3_small"}
"""torchvision's ResNet-50 names its layers as timm's does and takes its weights; its MobileNet is another network."""


WAYS = {
    "cnncli": (),
    "cnncli --engine openvino --precision bf16": ("--engine", "openvino", "--precision", "bf16"),
}
"""bf16 needs a processor that computes in it."""


def command(network: stage.Network, images: Path, *options: str) -> list[str]:
    """cnncli on a folder or a file."""
    fixed = ["-m", str(network.folder), "-f", "tsv", "--label-style", "index", "-q"]
    return ["-m", "cnncli", "predict", str(images), *fixed, *options]


def agreement(ours: Run, theirs: Run) -> int:
    """Images for which both name the same class."""
    found = [line.split("\t")[1] for line in ours.printed.splitlines()]
    return sum(a == b for a, b in zip(found, theirs.printed.split(), strict=True))


def beside_peers(name: str, source: Path) -> list[list[str]]:
    """Rows of the table: network, peer, how many times longer it takes, answers alike; the last two for bf16 again."""
    images = stage.photographs(source, PEER_IMAGES)
    network, other = stage.network(name, source), stage.network(TORCHVISION[name], source)
    how = open_folder(other.folder).card.preprocessing
    peers = {
        "timm: dataset, loader, eager": [
            "-m", "benchmarks.peers.timm_folder", name, str(network.weights), str(images),
        ],
        "Hugging Face pipeline": ["-m", "benchmarks.peers.pipeline", str(network.pipeline), str(images)],
        "torchvision: DataLoader, eager": [
            "-m", "benchmarks.peers.torchvision_folder", other.name, str(other.weights), str(images),
            str(how.resize[0]), how.interpolation,
        ],
    }  # fmt: skip
    ours = {
        f"{net.name} {way}": command(net, images, *options)
        for net in (network, other)
        for way, options in WAYS.items()
    }
    runs = in_turn(peers | ours, PEER_ROUNDS, warm_up=False)
    rows = []
    for peer in peers:
        asked = other if peer.startswith("torchvision") else network
        cells = []
        for way in WAYS:
            own = runs[f"{asked.name} {way}"]
            cells += [f"{ratio(runs[peer], own):.1f}", f"{agreement(own[0], runs[peer][0]):,}"]
        rows.append([asked.name, peer, f"{seconds(runs[peer]):.1f} s", *cells])
    return rows


def main() -> None:
    """Measure, and write the section."""
    source = stage.arguments(__doc__)
    peers = [row for name in MAIN for row in beside_peers(name, source)]
    peer_head = ["network", "peer", "peer's time"]
    for way in WAYS:
        peer_head += [f"peer / {way}", f"same class, of {PEER_IMAGES:,}"]
    publish(
        "bulk",
        "Bulk: many photographs",
        f"{PEER_IMAGES:,} photographs (those of PHOTOGRAPHS, over and over), whole processes in turn, medians of "
        f"{PEER_ROUNDS} rounds. The weights are the same for all: random ones, with the statistics of batch normalisation "
        f"that belong to the photographs. At least 3 is what we want; where it is less, the network itself takes the "
        f"time.\n\n"
        f"{table(peer_head, peers)}",
    )


if __name__ == "__main__":
    main()
