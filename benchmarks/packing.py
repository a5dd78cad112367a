"""From a finished run to the built-in model: `python -m benchmarks.packing RUN CLASSES`.

RUN is what `cnncli finetune` made, as cnncli/networks/pocket/README.md says; CLASSES a TSV file with columns `name`, as the
folders of the data are called, and `wnid`, WordNet's identifiers.

On the run's own held-out training images the size is chosen at which it looks at images: objects look larger in random
crops than in whole images, so a somewhat larger size than that of training is often better (Touvron et al., 2019). On the
same images a temperature is fitted (Guo et al., 2017) and folded into the last layer, so that a probability means what it
says. The weights are rounded to half precision, in which they lie in both files; the history stays beside them.
"""

import csv
import dataclasses
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from cnncli import prepare
from cnncli.engines.compile import difference
from cnncli.engines.shrinking import WORTH_HALVING, stored_in_half
from cnncli.evaluation.metrics import accuracy
from cnncli.images.decode import MAX_PIXELS
from cnncli.images.loader import Reader
from cnncli.logits import cross_entropy
from cnncli.networks import model_folder, pocket, zoo
from cnncli.networks.embedding import with_embedding
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.weights import load_saved, save_tensors
from cnncli.records.data import Sample, Split
from cnncli.records.networks import Compilation, Metric
from cnncli.training import manifest as beginning
from cnncli.training import run_folder
from cnncli.training.features.classifiers import inverse_temperature

ORIGIN = "trained by cnncli on Tiny ImageNet's 200 classes, with the recipe beside it"
BATCH = 100
SIDES = (64, 72, 80, 88)
"""Pixels; the time of an image grows with their square, and 10 ms on one core is what it may take."""
LARGEST = 5_000_000
"""Bytes of a file."""


def main() -> None:
    """Pack, and say what was found."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    run, classes = Path(sys.argv[1]), Path(sys.argv[2])
    found = model_folder.open_folder(run)
    start = beginning.load(run)
    samples = run_folder.read_splits(run, start.root, found.card.class_names, "").split(Split.VAL)
    labels = np.array([sample.label for sample in samples], np.intp)
    logits = {side: _logits(looking_at(found, side), samples) for side in SIDES}
    right = {side: float((told.argmax(axis=1) == labels).mean()) for side, told in logits.items()}
    side = max(SIDES, key=right.__getitem__)
    temperature = 1 / inverse_temperature(logits[side].astype(np.float64), labels)
    print(", ".join(f"{right[one]:.1%} right at {one} pixels" for one in SIDES))
    print(
        f"{len(labels):,} held-out images, {side} pixels: loss {cross_entropy(logits[side], labels):.4f}; at temperature "
        f"{temperature:.4f} {cross_entropy(logits[side] / temperature, labels):.4f}"
    )
    share = accuracy(logits[side].argmax(axis=1), labels)
    metric = Metric("val_top1", share.share, share.low, share.high, share.images)
    found = judged(looking_at(found, side), metric)
    with tempfile.TemporaryDirectory() as folder:
        packed = pack(found, temperature, _synsets(found, classes), Path(folder))
        require_worthy(packed)
        for facts in packed.card.files:
            shutil.copy(packed.path / facts.name, pocket.FOLDER)
            print(f"{facts.name}: {facts.bytes:,} bytes")
        shutil.copy(packed.path / model_folder.CARD, pocket.FOLDER)
    shutil.copy(run / "history.csv", pocket.FOLDER)


def looking_at(folder: ModelFolder, side: int) -> ModelFolder:
    """The same network for images of another size."""
    how = dataclasses.replace(folder.card.preprocessing, size=(side, side), resize=(side, side))
    drawn = dataclasses.replace(folder.card.architecture, image_size=(side, side))
    return dataclasses.replace(
        folder, card=dataclasses.replace(folder.card, preprocessing=how, architecture=drawn)
    )


def judged(folder: ModelFolder, metric: Metric) -> ModelFolder:
    """The same network with another word on how good it is."""
    return dataclasses.replace(folder, card=dataclasses.replace(folder.card, metrics=(metric,)))


def require_worthy(packed: ModelFolder) -> None:
    """See that a folder may take pocket's place.

    Raises:
        SystemExit: it has other classes, or too large a file.
    """
    if packed.card.class_names != model_folder.open_folder(pocket.FOLDER).card.class_names:
        raise SystemExit("these are not pocket's classes: nothing is replaced")
    if large := [facts.name for facts in packed.card.files if facts.bytes > LARGEST]:
        raise SystemExit(f"more than {LARGEST:,} bytes: {', '.join(large)}; nothing is replaced")


def _logits(folder: ModelFolder, samples: tuple[Sample, ...]) -> NDArray[np.float32]:
    """(N, K) of images that can all be read."""
    network = zoo.build(folder.card.architecture).eval()
    load_saved(network, folder.weights)
    read = Reader(folder.card.preprocessing, MAX_PIXELS)
    pixels = np.stack([np.asarray(read(sample.source)) for sample in samples])
    with torch.inference_mode():
        told = [network(torch.from_numpy(part)) for part in np.array_split(pixels, len(pixels) // BATCH + 1)]
    logits: NDArray[np.float32] = torch.cat(told).numpy()
    return logits


def _synsets(folder: ModelFolder, classes: Path) -> tuple[str, ...]:
    with classes.open(newline="") as stream:
        known = {row["name"]: row["wnid"] for row in csv.DictReader(stream, delimiter="\t")}
    return tuple(known[name] for name in folder.card.class_names)


def pack(found: ModelFolder, temperature: float, synsets: tuple[str, ...], place: Path) -> ModelFolder:
    """The model folder of pocket in a folder that is there."""
    network = zoo.build(found.card.architecture)
    load_saved(network, found.weights)
    last = network.get_submodule(found.card.embedding.layer)
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.div_(temperature)
        for value in network.state_dict().values():
            if _is_halved(value):
                value.copy_(value.half().float())
    card = dataclasses.replace(
        found.card,
        name=pocket.NAME,
        class_names=tuple(name.replace("_", " ") for name in found.card.class_names),
        synsets=synsets,
        weights_origin=ORIGIN,
    )
    card = prepare.write(place, network, card).card
    graph = place / model_folder.GRAPH
    onnx.save(stored_in_half(onnx.load(graph)), graph)
    state = network.state_dict()
    save_tensors(
        {name: value.half() if _is_halved(value) else value for name, value in state.items()},
        place / model_folder.WEIGHTS,
    )
    how = card.preprocessing
    shape = (how.channels, *how.size)
    comparison = difference(with_embedding(network, shape), shape, graph)
    compilation = Compilation(None, comparison.largest_difference, comparison.spread)
    return model_folder.seal(place, dataclasses.replace(card, compilation=compilation))


def _is_halved(value: torch.Tensor) -> bool:
    return value.is_floating_point() and value.numel() >= WORTH_HALVING


if __name__ == "__main__":
    main()
