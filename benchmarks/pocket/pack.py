"""Turn a finished run into the built-in model: `python -m benchmarks.pocket.pack RUN CLASSES`.

RUN is the output of `cnncli finetune`, as README.md here describes; CLASSES is a TSV file with the columns `name`, the data's
folder names, and `wnid`, WordNet's identifiers.

The run's validation images decide the input size: objects look larger in random crops than in whole images, so a somewhat
larger size than in training is often better (Touvron et al., 2019). On the same images a temperature is fitted (Guo et al.,
2017) and folded into the last layer, so that the probabilities are calibrated. Weights are rounded to half precision, in
which both files store them.
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
from cnncli.data.splits import read_splits
from cnncli.engines.compile import difference
from cnncli.engines.shrinking import WORTH_HALVING, store_in_half
from cnncli.evaluation.metrics import accuracy
from cnncli.images.loader import ImageReader
from cnncli.logits import cross_entropy
from cnncli.networks import model_folder, pocket, zoo
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.zoo.embedding import with_embedding
from cnncli.networks.zoo.weights import load_saved, save_tensors
from cnncli.records.data import Sample, Split
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.networks import CARD, Compilation, Metric
from cnncli.training.features.temperature import inverse_temperature
from cnncli.training.manifest import load_manifest

ORIGIN = "trained by cnncli on Tiny ImageNet's 200 classes, with the recipe beside it"
BATCH_SIZE = 100
SIZES = (64, 72, 80, 88)
"""Candidate input sizes in pixels; latency grows with their square, and the limit is 10 ms on one core."""
MAX_BYTES = 5_000_000
"""Of each file."""
HISTORY = Path(__file__).with_name("history.csv")


def main() -> None:
    """Pack the run, print the figures, and replace the built-in model's files."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    run, classes = Path(sys.argv[1]), Path(sys.argv[2])
    folder = model_folder.open_folder(run)
    root = load_manifest(run).root
    samples = read_splits(run, root, folder.card.class_names, "").split(Split.VAL)
    labels = np.array([sample.label for sample in samples], np.intp)
    folder, logits = choose_size(folder, samples, labels)
    temperature = fit_temperature(logits, labels)
    top1 = accuracy(logits.argmax(axis=1), labels)
    metric = Metric("val_top1", top1.share, top1.low, top1.high, top1.images)
    with tempfile.TemporaryDirectory() as draft:
        packed = pack(with_metric(folder, metric), temperature, _synsets(folder, classes), Path(draft))
        require_replacement(packed)
        for file in packed.card.files:
            shutil.copy(packed.path / file.name, pocket.FOLDER)
            print(f"{file.name}: {file.bytes:,} bytes")
        shutil.copy(packed.path / CARD, pocket.FOLDER)
    shutil.copy(run / "history.csv", HISTORY)


def choose_size(
    folder: ModelFolder, samples: tuple[Sample, ...], labels: NDArray[np.intp]
) -> tuple[ModelFolder, NDArray[np.float32]]:
    """The network at the input size with the highest accuracy, and its logits (N, K) on the samples."""
    candidates = {size: with_size(folder, size) for size in SIZES}
    logits = {size: compute_logits(candidate, samples) for size, candidate in candidates.items()}
    scores = {size: float((values.argmax(axis=1) == labels).mean()) for size, values in logits.items()}
    print(", ".join(f"accuracy {score:.1%} at {size} pixels" for size, score in scores.items()))
    best = max(SIZES, key=scores.__getitem__)
    return candidates[best], logits[best]


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.intp]) -> float:
    """The temperature by which logits (N, K) are divided for calibrated probabilities."""
    temperature = 1 / inverse_temperature(logits.astype(np.float64), labels)
    before, after = cross_entropy(logits, labels), cross_entropy(logits / temperature, labels)
    print(
        f"loss {before:.4f} on {len(labels):,} validation images; at temperature {temperature:.4f} {after:.4f}"
    )
    return temperature


def with_size(folder: ModelFolder, size: int) -> ModelFolder:
    """The same network with square inputs of another size in pixels."""
    preprocessing = dataclasses.replace(folder.card.preprocessing, size=(size, size), resize=(size, size))
    architecture = dataclasses.replace(folder.card.architecture, image_size=(size, size))
    card = dataclasses.replace(folder.card, preprocessing=preprocessing, architecture=architecture)
    return dataclasses.replace(folder, card=card)


def with_metric(folder: ModelFolder, metric: Metric) -> ModelFolder:
    """The same network with `metric` as its only metric."""
    return dataclasses.replace(folder, card=dataclasses.replace(folder.card, metrics=(metric,)))


def require_replacement(packed: ModelFolder) -> None:
    """Check that a model folder may replace the built-in model.

    Raises:
        SystemExit: its classes differ, or a file is too large.
    """
    if packed.card.class_names != model_folder.open_folder(pocket.FOLDER).card.class_names:
        raise SystemExit("these are not pocket's classes; nothing was replaced")
    if large := [file.name for file in packed.card.files if file.bytes > MAX_BYTES]:
        raise SystemExit(f"larger than {MAX_BYTES:,} bytes: {', '.join(large)}; nothing was replaced")


def compute_logits(folder: ModelFolder, samples: tuple[Sample, ...]) -> NDArray[np.float32]:
    """Logits (N, K) of readable images."""
    network = zoo.build(folder.card.architecture).eval()
    load_saved(network, folder.weights)
    read = ImageReader(folder.card.preprocessing, MAX_PIXELS)
    pixels = np.stack([np.asarray(read(sample.source)) for sample in samples])
    with torch.inference_mode():
        batches = np.array_split(pixels, len(pixels) // BATCH_SIZE + 1)
        logits: NDArray[np.float32] = torch.cat(
            [network(torch.from_numpy(batch)) for batch in batches]
        ).numpy()
    return logits


def _synsets(folder: ModelFolder, classes: Path) -> tuple[str, ...]:
    """WordNet identifiers in the order of the model's classes."""
    with classes.open(newline="") as stream:
        identifiers = {row["name"]: row["wnid"] for row in csv.DictReader(stream, delimiter="\t")}
    return tuple(identifiers[name] for name in folder.card.class_names)


def pack(folder: ModelFolder, temperature: float, synsets: tuple[str, ...], output: Path) -> ModelFolder:
    """Write pocket's model folder into an existing folder."""
    network = zoo.build(folder.card.architecture)
    load_saved(network, folder.weights)
    _fold_temperature(network.get_submodule(folder.card.embedding.layer), temperature)
    _round_to_half(network)
    card = dataclasses.replace(
        folder.card,
        name=pocket.NAME,
        class_names=tuple(name.replace("_", " ") for name in folder.card.class_names),
        synsets=synsets,
        weights_origin=ORIGIN,
    )
    card = prepare.write_model_folder(output, network, card).card
    graph = output / model_folder.GRAPH
    onnx.save(store_in_half(onnx.load(graph)), graph)
    tensors = {
        name: value.half() if _is_store_in_half(value) else value
        for name, value in network.state_dict().items()
    }
    save_tensors(tensors, output / model_folder.WEIGHTS)
    shape = (card.preprocessing.channels, *card.preprocessing.size)
    comparison = difference(with_embedding(network, shape), shape, graph)
    compilation = Compilation(None, comparison.largest_difference, comparison.spread)
    return model_folder.seal(output, dataclasses.replace(card, compilation=compilation))


def _fold_temperature(layer: torch.nn.Module, temperature: float) -> None:
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.div_(temperature)


def _round_to_half(network: torch.nn.Module) -> None:
    with torch.no_grad():
        for value in network.state_dict().values():
            if _is_store_in_half(value):
                value.copy_(value.half().float())


def _is_store_in_half(value: torch.Tensor) -> bool:
    return value.is_floating_point() and value.numel() >= WORTH_HALVING


if __name__ == "__main__":
    main()
