"""A prepared network with a new classifier on its embeddings: weights, compiled network and card, without torch.

Where the output of the last layer is the logits, the new classifier replaces that layer, and the weights are those of the
same architecture with other classes. Elsewhere (SqueezeNet has a ReLU and an average pooling after its last convolution)
it becomes a separate layer, `head`, and the names of the network's weights get the prefix `network.`. A cut network has
this prefix and a place for `head` already.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from cnncli.engines.adapters import RequireFit
from cnncli.engines.heads import ClassifierHead, LinearHead, NeighbourHead, replace_head, run_head
from cnncli.engines.onnx import OnnxEngine
from cnncli.errors import ModelFolderError, UsageError
from cnncli.images.preprocess import Pixels
from cnncli.networks import model_folder
from cnncli.networks.model_folder import GRAPH, WEIGHTS, ModelFolder, is_auxiliary
from cnncli.networks.tensor_files import raise_os_errors
from cnncli.records.networks import Compilation, Embedding, Head, HeadKind, ModelCard

TOLERANCE = 1e-3
"""Largest allowed difference of a logit between the finished network and its parts, as a share of the logits' spread."""

_HEAD = "head"
"""Name of the classifier in `networks.zoo.embedding.LinearOnEmbedding` and `networks.zoo.cut.CutNetwork`."""

Tensor = NDArray[np.float32]


def require_compiled(folder: ModelFolder) -> None:
    """Raise unless a network, for which `require_replaceable_head` has passed, can get a new classifier without torch.

    Raises:
        UsageError: it cannot.
    """
    card = folder.card
    if folder.graph is None:
        raise UsageError(
            f"{card.name} could not be compiled ({card.compilation.reason}), which --tune features needs",
            "start from another network, or train it with --tune head",
        )


def require_replaceable_head(folder: ModelFolder) -> None:
    """Raise unless a network has a last layer that can be replaced.

    Raises:
        UsageError: it is a nearest-neighbour classifier.
    """
    card = folder.card
    if card.architecture.head and card.architecture.head.kind is HeadKind.NEIGHBOURS:
        raise UsageError(
            f"{folder.path} is a nearest-neighbour classifier, which cannot be trained further",
            f"start from the network that it is based on: {card.weights_origin}",
        )


def write_with_new_head(
    draft: Path, base: ModelFolder, head: ClassifierHead, card: ModelCard, pixels: Pixels
) -> ModelFolder:
    """Write a model folder: a network with a new classifier.

    Args:
        draft: the folder to write to.
        base: the network, for which `require_compiled` has passed.
        head: the classifier, K classes.
        card: card with the K class names; whatever depends on the classifier is adapted.
        pixels: (N, C, H, W) on which the finished network is compared with base and head.

    Raises:
        ModelFolderError: their outputs differ, or those of the network do not fit its card.
    """
    graph = base.graph
    assert graph is not None  # noqa: S101 - for mypy; `require_compiled` has passed
    embeddings = RequireFit(OnnxEngine(graph), base, layer=None).run(pixels).embeddings
    tensors, adapted = weights_with_new_head(base, head, card)
    if tensors:
        with raise_os_errors(draft / WEIGHTS):
            save_file(tensors, draft / WEIGHTS)
    replace_head(graph, head, draft / GRAPH)
    compilation = _verify(run_head(head, embeddings), draft / GRAPH, pixels)
    return model_folder.seal(draft, dataclasses.replace(adapted, compilation=compilation))


def weights_with_new_head(
    base: ModelFolder, head: ClassifierHead, card: ModelCard
) -> tuple[dict[str, Tensor], ModelCard]:
    """The weights of a network with a new classifier, and its card; arguments as for `write_with_new_head`.

    Auxiliary heads are left out: they have the old classes. An exported network's weights are in its graph only.
    """
    former = {} if base.is_exported else load_file(base.weights)
    tensors = {name: tensor for name, tensor in former.items() if not is_auxiliary(name)}
    adapted = dataclasses.replace(
        card,
        architecture=dataclasses.replace(base.card.architecture, num_classes=len(card.class_names)),
        embedding=base.card.embedding,
    )
    if isinstance(head, NeighbourHead):
        return tensors, _with_separate_head(adapted, base.card, HeadKind.NEIGHBOURS)
    if base.is_exported:
        return tensors, adapted
    weights, biases = _float32(head)
    separate = {f"{_HEAD}.weight": weights, f"{_HEAD}.bias": biases}
    if base.card.architecture.cut:
        return tensors | separate, dataclasses.replace(adapted, embedding=_input_of_head(base.card))
    layer = base.card.embedding.layer
    if _is_last_layer_replaceable(base.card, tensors):
        kernel = tensors[f"{layer}.weight"].shape[2:]  # of a 1x1 convolution, if it is one
        classifier = {f"{layer}.weight": weights.reshape(*weights.shape, *kernel), f"{layer}.bias": biases}
        return tensors | classifier, adapted
    left_out = {f"{layer}.weight", f"{layer}.bias"}
    tensors = {f"network.{name}": tensor for name, tensor in tensors.items() if name not in left_out}
    return tensors | separate, _with_separate_head(adapted, base.card, HeadKind.LINEAR)


def _float32(head: LinearHead) -> tuple[Tensor, Tensor]:
    """Weights and biases as float32, C-contiguous: safetensors writes an array's memory as it is."""
    return np.ascontiguousarray(head.weights, np.float32), np.ascontiguousarray(head.biases, np.float32)


def _is_last_layer_replaceable(card: ModelCard, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a linear classifier can replace the last layer; the number of classes in a blueprint's text is fixed."""
    is_fixed = card.architecture.library == "blueprint" and card.architecture.head is None
    layer = card.embedding.layer
    if not card.embedding.gives_logits or is_fixed or f"{layer}.bias" not in tensors:
        return False
    return math.prod(tensors[f"{layer}.weight"].shape[1:]) == card.embedding.size


def _input_of_head(base: ModelCard) -> Embedding:
    """The embedding of a network with a separate classifier: the same as before."""
    return Embedding(base.embedding.size, _HEAD, gives_logits=True)


def _with_separate_head(card: ModelCard, base: ModelCard, kind: HeadKind) -> ModelCard:
    """The card of a network whose new classifier is a separate layer."""
    head = Head(kind, base.embedding.layer, base.embedding.size, base.architecture.num_classes)
    embedding = base.embedding
    if kind is HeadKind.LINEAR:
        embedding = _input_of_head(base)
    return dataclasses.replace(
        card, architecture=dataclasses.replace(card.architecture, head=head), embedding=embedding
    )


def _verify(expected: Tensor, graph: Path, pixels: Pixels) -> Compilation:
    """Compare the finished network's logits with the expected ones (N, K) for the same images."""
    logits = OnnxEngine(graph).run(pixels).logits
    largest, spread = float(np.abs(logits - expected).max()), float(np.ptp(expected))
    if not largest <= TOLERANCE * max(spread, 1):
        raise ModelFolderError(
            f"the finished network's logits differ by {largest:.2g} from its classifier's, on a spread of {spread:.2g}"
        )
    return Compilation(None, largest, spread)
