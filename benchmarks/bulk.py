"""Many photographs: beside the ceiling that decoding and the engine allow, and beside the peers, whole processes.

    python -m benchmarks.bulk PHOTOGRAPHS

Needs `pip install '.[benchmarks]'`. The ceiling: one image costs `d` seconds of one core to decode and prepare and `e`
seconds of the engine on all cores, both measured alone in the same run, so `cores` of them that never wait do
`1 / (d / cores + e)` images a second. cnncli's rate is that of the whole process less its start, the cold start of
one photograph being measured in the same rounds.
"""

import statistics
import time
from collections.abc import Sequence
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
        runs = in_turn({"one": one, "all": command(network, images)}, 1)
        rates.append((CEILING_IMAGES - 1) / (seconds(runs["all"]) - seconds(runs["one"])))
        shares.append(rates[-1] / possible)
    return statistics.median(rates), statistics.median(shares)


def agreement(ours: Run, theirs: Run) -> int:
    """Images for which both name the same class."""
    found = [line.split("\t")[1] for line in ours.printed.splitlines()]
    return sum(a == b for a, b in zip(found, theirs.printed.split(), strict=True))


def beside_peers(name: str, source: Path, engine: Sequence[str] = ()) -> list[list[str]]:
    """Rows of the table: peer, times slower, answers alike."""
    images = stage.photographs(source, PEER_IMAGES)
    network, other = stage.network(name, source), stage.network(TORCHVISION[name], source)
    filter_ = open_folder(other.folder).card.preprocessing.interpolation
    commands = {
        "cnncli": command(network, images, *engine),
        "timm: dataset, loader, eager": [
            "-m", "benchmarks.peers.timm_folder", name, str(network.weights), str(images),
        ],
        "Hugging Face pipeline": ["-m", "benchmarks.peers.pipeline", str(network.pipeline), str(images)],
        "torchvision: DataLoader, eager": [
            "-m", "benchmarks.peers.torchvision_folder", other.name, str(other.weights), str(images), filter_,
        ],
    }  # fmt: skip
    if other.folder != network.folder:
        commands["cnncli on torchvision's"] = command(other, images, *engine)
    runs = in_turn(commands, PEER_ROUNDS)
    rows = []
    for peer in list(commands)[1:4]:
        is_other = "torchvision" in peer and other.folder != network.folder
        ours = runs["cnncli on torchvision's" if is_other else "cnncli"]
        alike = agreement(ours[0], runs[peer][0])
        rows.append(
            [
                other.name if is_other else name,
                peer,
                f"{seconds(ours):.1f} s",
                f"{ratio(runs[peer], ours):.1f}",
                f"{alike:,}",
            ]
        )
    return rows


def main() -> None:
    """Measure, and write the section."""
    source = stage.arguments(__doc__)
    floors, peers = [], []
    for name in MAIN:
        rate, share = share_of_ceiling(stage.network(name, source), source)
        floors.append([name, f"{rate:.1f}", f"{share:.2f}"])
        peers += beside_peers(name, source)
    from cnncli.engines.openvino import computes_in
    from cnncli.records.running import Precision

    if computes_in(Precision.BF16):
        extra = beside_peers("resnet50", source, ("--engine", "openvino", "--precision", "bf16"))
        peers += [[f"{row[0]}, cnncli with OpenVINO in bf16", *row[1:]] for row in extra]
    floor_head = ("network", "images a second", "share of the ceiling 1 / (d / cores + e)")
    peer_head = ("network", "peer", "cnncli", "peer / cnncli", f"same class, of {PEER_IMAGES:,}")
    publish(
        "bulk",
        "Bulk: many photographs",
        f"{CEILING_IMAGES} photographs, medians of {CEILING_ROUNDS} rounds; `d`: decoding one image on one core, `e`: "
        f"the engine's time for one image of a batch on all cores. At least 0.85 is what we want.\n\n"
        f"{table(floor_head, floors)}\n\n{PEER_IMAGES:,} photographs, whole processes in turn, medians of {PEER_ROUNDS} "
        "rounds, the same weights for both. At least 3 times faster is what we want; where it is less, the network itself "
        f"is what takes the time.\n\n{table(peer_head, peers)}",
    )


if __name__ == "__main__":
    main()
