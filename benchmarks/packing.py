"""From a finished run to the network in the box: `python -m benchmarks.packing RUN CLASSES`.

RUN is what `cnncli finetune` made, as cnncli/networks/pocket/README.md says; CLASSES a TSV file with columns `name`, as the
folders of the data are called, and `wnid`, WordNet's identifiers.

A temperature is fitted on the run's own held-out training images (Guo et al., 2017) and folded into the last layer, so that
a probability means what it says; the weights are rounded to half precision, in which they lie in both files; the history
stays beside them.
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
from scipy.optimize import minimize_scalar

from cnncli import prepare
from cnncli.engines.compile import difference
from cnncli.engines.onnx import OnnxEngine
from cnncli.engines.shrinking import WORTH_HALVING, stored_in_half
from cnncli.images.decode import MAX_PIXELS
from cnncli.images.loader import Reader
from cnncli.networks import model_folder, pocket, zoo
from cnncli.networks.embedding import with_embedding
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.weights import load_saved, save_tensors
from cnncli.records.data import Part, Sample
from cnncli.records.networks import Compilation
from cnncli.records.predictions import ImageSource
from cnncli.training import beginning, run_folder

ORIGIN = "trained by cnncli on Tiny ImageNet's 200 classes, with the recipe beside it"
BATCH = 100


def main() -> None:
    """Pack, and say what was found."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    run, classes = Path(sys.argv[1]), Path(sys.argv[2])
    found = model_folder.open_folder(run)
    start = beginning.load(run)
    samples = run_folder.read_splits(run, start.root, found.card.class_names, "").part(Part.VAL)
    logits = _logits(found, samples)
    labels = np.array([sample.label for sample in samples], np.intp)
    temperature = fitted_temperature(logits, labels)
    print(
        f"{len(labels):,} held-out images: {(logits.argmax(axis=1) == labels).mean():.1%} right, loss "
        f"{cross_entropy(logits, labels):.4f}; at temperature {temperature:.4f} "
        f"{cross_entropy(logits / temperature, labels):.4f}"
    )
    with tempfile.TemporaryDirectory() as folder:
        packed = pack(found, temperature, _synsets(found, classes), Path(folder))
        for facts in packed.card.files:
            shutil.copy(packed.path / facts.name, pocket.FOLDER)
            print(f"{facts.name}: {facts.bytes:,} bytes")
        shutil.copy(packed.path / model_folder.CARD, pocket.FOLDER)
    shutil.copy(run / "history.csv", pocket.FOLDER)


def _logits(folder: ModelFolder, samples: tuple[Sample, ...]) -> NDArray[np.float32]:
    """(N, K) of images that can all be read."""
    engine, read = OnnxEngine(folder.path / model_folder.GRAPH), Reader(folder.card.preprocessing, MAX_PIXELS)
    pixels = np.stack([np.asarray(read(ImageSource(sample.path))) for sample in samples])
    return np.concatenate(
        [engine.run(part).logits for part in np.array_split(pixels, len(pixels) // BATCH + 1)]
    )


def cross_entropy(logits: NDArray[np.float32], labels: NDArray[np.intp]) -> float:
    """The mean over images of minus the logarithm of what the right class was given."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    right = shifted[np.arange(len(labels)), labels]
    return float((np.log(np.exp(shifted).sum(axis=1)) - right).mean())


def fitted_temperature(logits: NDArray[np.float32], labels: NDArray[np.intp]) -> float:
    """By which the logits are divided for the smallest cross-entropy."""
    found = minimize_scalar(
        lambda log: cross_entropy(logits / np.float32(np.exp(log)), labels), bounds=(-2, 2), method="bounded"
    )
    return float(np.exp(found.x))


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
