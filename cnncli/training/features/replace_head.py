"""A prepared network with another classifier on its embeddings: weights, compiled network and card, without torch.

Where the last layer's answer is the logits, the new classifier becomes that layer, and the weights are those of the
same architecture with other classes. Elsewhere (SqueezeNet has a ReLU and an average behind its last convolution) it is
a layer of its own, `head`, and the network's weights keep their names after `network.`.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from cnncli.engines.heads import ClassifierHead, LinearHead, NeighbourHead, replace_head, run_head
from cnncli.engines.onnx import OnnxEngine
from cnncli.errors import ModelFolderError, UsageError
from cnncli.images.preprocess import Pixels
from cnncli.networks import model_folder
from cnncli.networks.model_folder import GRAPH, WEIGHTS, ModelFolder, is_auxiliary
from cnncli.records.networks import Compilation, Embedding, Head, HeadKind, ModelCard

TOLERANCE = 1e-3
"""Largest difference of any logit, as a share of the logits' spread, between the finished network and its classifier."""

_HEAD = "head"
"""What `networks.embedding.LinearOnEmbedding` calls its classifier."""

Tensor = NDArray[np.float32]


def require_trainable(folder: ModelFolder) -> None:
    """See that a network can get another classifier.

    Raises:
        UsageError: it cannot.
    """
    require_own_head(folder)
    card = folder.card
    if folder.graph is None:
        raise UsageError(
            f"{card.name} could not be compiled ({card.compilation.reason}), and features need that",
            "start from another network, or train it with --tune head",
        )


def require_own_head(folder: ModelFolder) -> None:
    """See that a network has a last layer that another one can replace.

    Raises:
        UsageError: it is a nearest-neighbour classifier.
    """
    card = folder.card
    if card.architecture.head and card.architecture.head.kind is HeadKind.NEIGHBOURS:
        raise UsageError(
            f"{folder.path} is a nearest-neighbour classifier, which cannot be trained further",
            f"start from what it was made of: {card.weights_origin}",
        )


def write_headed(
    draft: Path, base: ModelFolder, head: ClassifierHead, card: ModelCard, pixels: Pixels
) -> ModelFolder:
    """A model folder: the network with another classifier.

    Args:
        draft: the folder to write to.
        base: the network, fit for it (`require_trainable`).
        head: the classifier, K classes.
        card: with the K class names; what the classifier changes is put right.
        pixels: (N, C, H, W) on which the finished network is compared with base and head apart.

    Raises:
        ModelFolderError: they answer differently.
    """
    graph = base.graph
    assert graph is not None  # noqa: S101 - for the type checker: `require_trainable` has seen to it
    tensors, changed = headed(base, head, card)
    save_file(tensors, draft / WEIGHTS)
    replace_head(graph, head, draft / GRAPH)
    compilation = _compared(graph, head, draft / GRAPH, pixels)
    return model_folder.seal(draft, dataclasses.replace(changed, compilation=compilation))


def headed(base: ModelFolder, head: ClassifierHead, card: ModelCard) -> tuple[dict[str, Tensor], ModelCard]:
    """The weights of a network with another classifier, and its card; the arguments are `write_headed`'s.

    Auxiliary heads that only training uses stay behind: they know other classes.
    """
    tensors = {name: tensor for name, tensor in load_file(base.weights).items() if not is_auxiliary(name)}
    changed = dataclasses.replace(
        card,
        architecture=dataclasses.replace(base.card.architecture, num_classes=len(card.class_names)),
        embedding=base.card.embedding,
    )
    if isinstance(head, NeighbourHead):
        return tensors, _beside(changed, base.card, HeadKind.NEIGHBOURS)
    weights, biases = _single(head)
    layer = base.card.embedding.layer
    if _replaces_last(base.card, tensors):
        kernel = tensors[f"{layer}.weight"].shape[2:]  # of a 1x1 convolution, if it is one
        own = {f"{layer}.weight": weights.reshape(*weights.shape, *kernel), f"{layer}.bias": biases}
        return tensors | own, changed
    left_out = {f"{layer}.weight", f"{layer}.bias"}
    tensors = {f"network.{name}": tensor for name, tensor in tensors.items() if name not in left_out}
    own = {f"{_HEAD}.weight": weights, f"{_HEAD}.bias": biases}
    return tensors | own, _beside(changed, base.card, HeadKind.LINEAR)


def _single(head: LinearHead) -> tuple[Tensor, Tensor]:
    """Weights and biases as they are stored: safetensors writes an array's memory as it lies, so in rows."""
    return np.ascontiguousarray(head.weights, np.float32), np.ascontiguousarray(head.biases, np.float32)


def _replaces_last(card: ModelCard, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a linear classifier can be the last layer itself; a blueprint's text says how many classes that has."""
    is_written_down = card.architecture.library == "blueprint" and card.architecture.head is None
    layer = card.embedding.layer
    if not card.embedding.gives_logits or is_written_down or f"{layer}.bias" not in tensors:
        return False
    return math.prod(tensors[f"{layer}.weight"].shape[1:]) == card.embedding.size


def _beside(card: ModelCard, base: ModelCard, kind: HeadKind) -> ModelCard:
    """With a classifier of its own, beside the network's."""
    head = Head(kind, base.embedding.layer, base.embedding.size, base.architecture.num_classes)
    embedding = base.embedding
    if kind is HeadKind.LINEAR:
        embedding = Embedding(base.embedding.size, _HEAD, gives_logits=True)
    return dataclasses.replace(
        card, architecture=dataclasses.replace(card.architecture, head=head), embedding=embedding
    )


def _compared(base: Path, head: ClassifierHead, graph: Path, pixels: Pixels) -> Compilation:
    """The finished network beside what it was made of, on the same images."""
    expected = run_head(head, OnnxEngine(base).run(pixels).embeddings)
    found = OnnxEngine(graph).run(pixels).logits
    largest, spread = float(np.abs(found - expected).max()), float(np.ptp(expected))
    if not largest <= TOLERANCE * max(spread, 1):
        raise ModelFolderError(
            f"the finished network's logits differ by {largest:.2g} from its classifier's, on a spread of {spread:.2g}"
        )
    return Compilation(None, largest, spread)
