"""Classifiers on embeddings, and replacing the classifier of model.onnx.

The operations that lead to the embedding stay, those after it are removed, and the new classifier's few operations are
appended. Nothing has to be exported again, and torch is not needed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import ModelFolderError

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

Array = NDArray[np.float64]

LEAST_SHARE = 1e-9
"""Share of votes of a class without votes, so that its logarithm is finite."""


@frozen_dataclass
class LinearHead:
    """Logits are weights @ embedding + biases.

    Attributes:
        weights: (K, D).
        biases: (K,).
    """

    weights: Array
    biases: Array

    def logits(self, embeddings: Array) -> Array:
        """Logits (N, K) of embeddings (N, D)."""
        logits: Array = embeddings @ self.weights.T + self.biases
        return logits


@frozen_dataclass
class NeighbourHead:
    """Logits are log shares of the votes of the k nearest neighbours.

    Attributes:
        vectors: (M, D), the training embeddings, standardised.
        votes: (M, K), weight of each embedding in the column of its class, zero elsewhere.
        shift, scale: (D,), which standardise an embedding: (embedding - shift) * scale.
        neighbours: k, the number of neighbours.
    """

    vectors: Array
    votes: Array
    shift: Array
    scale: Array
    neighbours: int

    def logits(self, embeddings: Array) -> Array:
        """Logits (N, K) of embeddings (N, D)."""
        blocks = [embeddings[start : start + _BLOCK] for start in range(0, len(embeddings), _BLOCK)]
        return np.concatenate([self._logits(block) for block in blocks])

    def _logits(self, embeddings: Array) -> Array:
        """From squared Euclidean distances without the term that all neighbours share: |v|^2 - 2 e v."""
        standardised = (embeddings - self.shift) * self.scale
        distances = (self.vectors**2).sum(axis=1) - 2 * standardised @ self.vectors.T
        last = min(self.neighbours, len(self.vectors)) - 1
        nearest = np.argpartition(distances, last, axis=1)[:, : last + 1]
        shares = self.votes[nearest].mean(axis=1)
        logits: Array = np.log(np.maximum(shares, LEAST_SHARE))
        return logits


_BLOCK = 256
"""Embeddings whose distances to all training embeddings are in memory at a time."""

ClassifierHead = LinearHead | NeighbourHead


def replace_head(graph: Path, head: ClassifierHead, target: Path) -> None:
    """Write a compiled network with a new classifier.

    Args:
        graph: images (N, C, H, W) -> logits, embedding (N, D).
        head: the new classifier.
        target: the file to write.

    Raises:
        ModelFolderError: the graph is not a compiled network.
    """
    import onnx
    from onnx import TensorProto, helper

    try:
        model = onnx.load(graph)
    except Exception as error:  # protobuf's own exceptions share no base class but this
        raise ModelFolderError(
            f"{graph} cannot be read: {' '.join(str(error).split())}", "prepare it again"
        ) from error
    nodes, constants = _nodes(head)
    inside = model.graph
    _keep_dependencies("embedding", inside)
    _rename(inside, "logits", f"{_PREFIX}former_logits")  # the "logits" of a backbone are its embedding
    inside.node.extend(nodes)
    inside.initializer.extend(constants)
    classes = len(head.biases) if isinstance(head, LinearHead) else head.votes.shape[1]
    (batch, *_) = inside.input[0].type.tensor_type.shape.dim
    outputs = [output for output in inside.output if output.name == "embedding"]
    del inside.output[:]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch.dim_param or "N", classes])
    inside.output.extend([logits, *outputs])
    onnx.save(model, target)


def run_head(head: ClassifierHead, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (N, K) for embeddings (N, D), computed by the operations that `replace_head` writes.

    NumPy gives the same result except for the last digits, which can decide which neighbour is the k-th.
    """
    import onnxruntime
    from onnx import TensorProto, helper

    nodes, constants = _nodes(head)
    inputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", embeddings.shape[1]])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", "K"])]
    graph = helper.make_graph(nodes, "head", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    blocks = [embeddings[start : start + _BLOCK] for start in range(0, len(embeddings), _BLOCK)]
    logits: NDArray[np.float32] = np.concatenate(
        [session.run(["logits"], {"embedding": block})[0] for block in blocks]
    )
    return logits


_OPSET, _IR_VERSION = 18, 10
"""The versions that the exporter writes."""

_PREFIX = "cnncli_head_"
"""Prefix of all added names, so that they do not clash with existing ones."""


def _keep_dependencies(output: str, inside: "GraphProto") -> None:
    """Remove every node, constant and shape that an output does not depend on."""
    needed, nodes = {output}, []
    for node in reversed(inside.node):
        if needed & set(node.output):
            nodes.append(node)
            needed |= _inputs_of(node)
    constants = [constant for constant in inside.initializer if constant.name in needed]
    shapes = [shape for shape in inside.value_info if shape.name in needed]
    for old, new in (
        (inside.node, nodes[::-1]),
        (inside.initializer, constants),
        (inside.value_info, shapes),
    ):
        copies = [type(item).FromString(item.SerializeToString()) for item in new]
        del old[:]
        old.extend(copies)


def _rename(inside: "GraphProto", old: str, new: str) -> None:
    """Rename a value within a graph."""
    for node in inside.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]


def _inputs_of(node: "NodeProto") -> set[str]:
    """The values that a node reads, including those inside its branches."""
    inner = [step for attribute in node.attribute for step in attribute.g.node]
    outputs = {
        attribute_output.name for attribute in node.attribute for attribute_output in attribute.g.output
    }
    return set(node.input).union(outputs, *map(_inputs_of, inner))


def _nodes(head: ClassifierHead) -> "tuple[list[NodeProto], list[TensorProto]]":
    """The nodes of a classifier, and its constants."""
    from onnx import helper

    if isinstance(head, LinearHead):
        gemm = helper.make_node(
            "Gemm", ["embedding", f"{_PREFIX}weights", f"{_PREFIX}biases"], ["logits"], transB=1
        )
        return [gemm], _constants(weights=head.weights, biases=head.biases)
    constants = _constants(
        shift=head.shift,
        scale=head.scale,
        vectors=-2 * head.vectors,
        lengths=(head.vectors**2).sum(axis=1),
        votes=head.votes,
        least=np.array(LEAST_SHARE),
    )
    constants += _counts(neighbours=[head.neighbours], middle=[1])
    steps: list[tuple[str, list[str], list[str], dict[str, Any]]] = [
        ("Sub", ["embedding", "shift"], ["moved"], {}),
        ("Mul", ["moved", "scale"], ["standardised"], {}),
        ("Gemm", ["standardised", "vectors", "lengths"], ["distances"], {"transB": 1}),
        ("TopK", ["distances", "neighbours"], ["nearest_distances", "nearest"], {"largest": 0}),
        ("Gather", ["votes", "nearest"], ["ballots"], {}),
        ("ReduceMean", ["ballots", "middle"], ["shares"], {"keepdims": 0}),
        ("Max", ["shares", "least"], ["raised"], {}),
        ("Log", ["raised"], ["logits"], {}),
    ]
    return [
        helper.make_node(kind, _qualify(inputs), _qualify(outputs), **options)
        for kind, inputs, outputs, options in steps
    ], constants


def _qualify(names: Sequence[str]) -> list[str]:
    return [name if name in {"embedding", "logits"} else f"{_PREFIX}{name}" for name in names]


def _constants(**arrays: Array) -> "list[TensorProto]":
    from onnx import numpy_helper

    return [
        numpy_helper.from_array(array.astype(np.float32), f"{_PREFIX}{name}")
        for name, array in arrays.items()
    ]


def _counts(**counts: Sequence[int]) -> "list[TensorProto]":
    from onnx import numpy_helper

    return [
        numpy_helper.from_array(np.array(values, np.int64), f"{_PREFIX}{name}")
        for name, values in counts.items()
    ]
