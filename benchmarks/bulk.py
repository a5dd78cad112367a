"""Many photographs: beside the ceiling that decoding and the engine allow, and beside the peers, whole processes.

    python -m benchmarks.bulk PHOTOGRAPHS

Needs `pip install '.[benchmarks]'`. The ceiling: one image costs `d` seconds of one core to decode and prepare and `e`
seconds of the engine on all cores, both measured alone in the same run, so `cores` of them that never wait do
`1 / (d / cores + e)` images a second. cnncli's rate is that of the whole process less its start, the cold start of
one photograph being measured in the same rounds.
"""

import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks import stage
from benchmarks.results import publish, table
from benchmarks.timing import Run, in_turn, ratio, seconds
from cnncli.engines.engine import Engine, usable_cores
from cnncli.engines.onnx import OnnxEngine
from cnncli.images.decode import MAX_PIXELS
from cnncli.images.loader import Reader
from cnncli.networks.model_folder import open_folder
from cnncli.records.predictions import ImageSource, Unreadable

CEILING_IMAGES, PEER_IMAGES = 500, 1000
CEILING_ROUNDS, PEER_ROUNDS = 5, 3
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


def ceiling(network: stage.Network, images: Path) -> float:
    """Images a second that decoding, spread over the cores, and the engine allow together."""
    folder = open_folder(network.folder)
    engine: Engine = OnnxEngine(network.folder / "model.onnx")
    read = Reader(folder.card.preprocessing, MAX_PIXELS)
    files = [ImageSource(str(file)) for file in sorted(images.iterdir())[:200]]
    start = time.perf_counter()
    planes = [plane for plane in map(read, files) if not isinstance(plane, Unreadable)]
    decoding = (time.perf_counter() - start) / len(files)
    batch = np.stack(planes[: engine.batch_size])
    engine.run(batch)
    computing = []
    for _ in range(10):
        start = time.perf_counter()
        engine.run(batch)
        computing.append((time.perf_counter() - start) / len(batch))
    return 1 / (decoding / usable_cores() + statistics.median(computing))


def share_of_ceiling(network: stage.Network, source: Path) -> tuple[float, float]:
    """cnncli's rate in images a second, and its share of the ceiling: medians over the rounds."""
    images = stage.photographs(source, CEILING_IMAGES)
    one = command(network, next(images.iterdir()))
    rates, shares = [], []
    for _ in range(CEILING_ROUNDS):
        possible = ceiling(network, images)
        runs = in_turn({"one": one, "all": command(network, images)}, 1, warm_up=False)
        rates.append((CEILING_IMAGES - 1) / (seconds(runs["all"]) - seconds(runs["one"])))
        shares.append(rates[-1] / possible)
    return statistics.median(rates), statistics.median(shares)


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
    floors, peers = [], []
    for name in MAIN:
        rate, share = share_of_ceiling(stage.network(name, source), source)
        floors.append([name, f"{rate:.1f}", f"{share:.2f}"])
        peers += beside_peers(name, source)
    floor_head = ("network", "images a second", "share of the ceiling")
    peer_head = ["network", "peer", "peer's time"]
    for way in WAYS:
        peer_head += [f"peer / {way}", f"same class, of {PEER_IMAGES:,}"]
    publish(
        "bulk",
        "Bulk: many photographs",
        f"The ceiling is `1 / (d / cores + e)` images a second: `d` seconds of one core to decode and prepare one image, "
        f"`e` seconds of the engine for one image of a batch on all cores. {CEILING_IMAGES} photographs, medians of "
        f"{CEILING_ROUNDS} rounds; cnncli's start, measured with one photograph in the same round, is left aside. At "
        f"least 0.85 is what we want.\n\n{table(floor_head, floors)}\n\n"
        f"{PEER_IMAGES:,} photographs (those of PHOTOGRAPHS, over and over), whole processes in turn, medians of "
        f"{PEER_ROUNDS} rounds. The weights are the same for all: random ones, with the statistics of batch normalisation "
        f"that belong to the photographs. At least 3 is what we want; where it is less, the network itself takes the "
        f"time.\n\n"
        f"{table(peer_head, peers)}",
    )


if __name__ == "__main__":
    main()
