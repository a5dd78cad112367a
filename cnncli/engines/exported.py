"""A network as one ONNX file that needs no cnncli: with preprocessing, probabilities and its card.

Its input is `image` (N, H, W, C) uint8 of any size, or `images` (N, C, H, W) float32, already preprocessed; its outputs are
`probabilities` (N, K) and `embedding` (N, D). The compiled network stays intact in between, with the names it has in a model
folder, so that `unpack` can extract it.

The file's metadata: `class_names` (a JSON list), `license` if known, `description`, and `cnncli_card`; of a network with tasks
also `tasks` (a JSON list with the name, class names, kind and thresholds of each, in the order of the probabilities).
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnncli.engines.engine import PREPARE_AGAIN
from cnncli.engines.preprocessing import OPSET, PREFIX, preprocessing_graph
from cnncli.errors import CompileError, ModelFolderError
from cnncli.files.whole import whole_file
from cnncli.logits import ONNX_OPERATORS
from cnncli.networks import card as cards
from cnncli.networks.model_folder import GRAPH, ModelFolder
from cnncli.networks.reference import EXPORTED_CARD
from cnncli.records.networks import ModelCard
from cnncli.records.tasks import AnswerKind, Task, has_several, kinds_of
from cnncli.text import size

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

ENDING = ".onnx"

_CARD, _LICENSE = EXPORTED_CARD, "license"
_PROBABILITIES = "probabilities"
_PART = f"{_PROBABILITIES}/"
"""Begins the names of what belongs to one of several tasks."""

_LARGEST = 2**31 - 1
"""Largest size of a Protocol Buffers file in bytes."""


def load(folder: ModelFolder) -> "ModelProto":
    """The compiled network of a model folder.

    Raises:
        CompileError: there is no compiled network.
        ModelFolderError: it cannot be read.
    """
    if folder.graph is None:
        raise CompileError(
            f"{folder.card.name} has no compiled network to export: {folder.card.compilation.reason}"
        )
    return _read(folder.graph)


def pack(
    network: "ModelProto", card: ModelCard, license_: str | None, *, with_preprocessing: bool
) -> "ModelProto":
    """Add preprocessing, probabilities and metadata to a compiled network.

    Args:
        network: images -> logits, embedding.
        card: the network's card.
        license_: license of the weights; None if unknown.
        with_preprocessing: whether its input is uint8 images of any size.

    Raises:
        CompileError: ONNX does not support the preprocessing.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.ModelProto()
    model.CopyFrom(network)
    graph = model.graph
    _add_probabilities(graph, card.tasks)
    embedding = _embedding_output(graph)
    batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param or "N"
    shape = [batch, card.architecture.num_classes]
    probabilities = helper.make_tensor_value_info(_PROBABILITIES, TensorProto.FLOAT, shape)
    outputs = [probabilities, embedding]
    del graph.output[:]
    graph.output.extend(outputs)
    if with_preprocessing:
        _prepend(graph, _preprocessing(card, model))
    embedded_card = dataclasses.replace(card, files=())
    facts = {
        "class_names": json.dumps(card.class_names, ensure_ascii=False),
        "description": f"{card.name}, weights: {card.weights_origin}",
        _CARD: cards.to_json(embedded_card),
    }
    if card.tasks:
        facts["tasks"] = json.dumps([dataclasses.asdict(task) for task in card.tasks], ensure_ascii=False)
    helper.set_model_props(model, facts | ({_LICENSE: license_} if license_ else {}))
    model.producer_name = "cnncli"
    return model


def _add_probabilities(graph: "GraphProto", tasks: Sequence[Task]) -> None:
    """Compute the probabilities from the logits: those of several tasks apart, then side by side."""
    from onnx import helper, numpy_helper

    kinds = kinds_of(tasks)
    if not has_several(tasks):
        graph.node.append(_probability_node("logits", _PROBABILITIES, kinds[0]))
        return
    sizes = np.array([len(task.class_names) for task in tasks], np.int64)
    graph.initializer.append(numpy_helper.from_array(sizes, f"{_PART}sizes"))
    logits = [f"{_PART}logits_{number}" for number in range(len(tasks))]
    shares = [f"{_PART}shares_{number}" for number in range(len(tasks))]
    graph.node.append(helper.make_node("Split", ["logits", f"{_PART}sizes"], logits, axis=1))
    graph.node.extend(map(_probability_node, logits, shares, kinds))
    graph.node.append(helper.make_node("Concat", shares, [_PROBABILITIES], axis=1))


def _probability_node(logits: str, shares: str, kind: AnswerKind) -> "NodeProto":
    """The node that computes the probabilities of a task from its logits; both are names of tensors."""
    from onnx import helper

    operator, attributes = ONNX_OPERATORS[kind]
    node = helper.make_node(operator, [logits], [shares])
    node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return node


def _preprocessing(card: ModelCard, model: "ModelProto") -> "GraphProto":
    opset = next(item.version for item in model.opset_import if item.domain in {"", "ai.onnx"})
    if opset < OPSET:
        raise CompileError(
            f"the compiled network has opset {opset}, and preprocessing needs {OPSET}",
            "--input float exports without preprocessing",
        )
    return preprocessing_graph(card.preprocessing)


def _prepend(graph: "GraphProto", first: "GraphProto") -> None:
    """Put one graph before another; their names must differ."""
    nodes = [*first.node, *graph.node]
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    graph.initializer.extend(first.initializer)
    del graph.input[:]
    graph.input.extend(first.input)


def save(model: "ModelProto", file: Path, *, overwrite: bool) -> None:
    """Write the file atomically.

    Args:
        model: the network.
        file: to write.
        overwrite: whether a file of that name is replaced, even one that appears only now.

    Raises:
        OutputError: the file exists by now, and must not be replaced.
        CompileError: it is larger than an ONNX file can be.
        OSError: it cannot be written.
    """
    if model.ByteSize() > _LARGEST:
        raise CompileError(f"{size(model.ByteSize())} are more than one ONNX file can hold")
    with whole_file(file, overwrite=overwrite) as draft:
        draft.write_bytes(model.SerializeToString())


def require_valid(file: Path) -> None:
    """Check that a file is valid ONNX; ONNX Runtime accepts more.

    Raises:
        CompileError: it is not.
    """
    import onnx

    try:
        onnx.checker.check_model(file, full_check=True)
    except Exception as error:  # the checker's and shape inference's exceptions share no base class but this
        reason = " ".join(str(error).split())[:200]
        raise CompileError(f"the exported network is not valid ONNX: {reason}") from error


def unpack(file: Path, folder: Path) -> ModelCard:
    """Extract the compiled network from an exported file.

    Args:
        file: written by `cnncli export`.
        folder: the folder to write model.onnx to.

    Returns:
        The network's card.

    Raises:
        ModelFolderError: the file is damaged or was not written by cnncli.
    """
    import onnx
    from onnx import TensorProto, helper

    model = _read(file)
    facts = {item.key: item.value for item in model.metadata_props}
    if _CARD not in facts:
        raise ModelFolderError(f"{file} was not exported by cnncli: it has no preprocessing and class names")
    card = cards.from_json(facts[_CARD], str(file))
    graph, preprocessing = model.graph, card.preprocessing
    nodes = [node for node in graph.node if not all(map(_is_added, node.output))]
    constants = [constant for constant in graph.initializer if not _is_added(constant.name)]
    shape: list[str | int] = ["N", preprocessing.channels, *preprocessing.size]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", card.architecture.num_classes])
    embedding = _embedding_output(graph)
    inner = helper.make_graph(nodes, graph.name, [images], [logits, embedding], constants)
    network = helper.make_model(inner, opset_imports=model.opset_import, ir_version=model.ir_version)
    helper.set_model_props(network, {_LICENSE: facts[_LICENSE]} if _LICENSE in facts else {})
    onnx.save(network, folder / GRAPH)
    return card


def _is_added(name: str) -> bool:
    """Whether a tensor is not the network's own, but what `pack` puts before and after it."""
    return name in {"images", _PROBABILITIES} or name.startswith((PREFIX, _PART))


def _embedding_output(graph: "GraphProto") -> "ValueInfoProto":
    output: ValueInfoProto | None = next((item for item in graph.output if item.name == "embedding"), None)
    if output is None:
        raise ModelFolderError("the compiled network has no output 'embedding'", PREPARE_AGAIN)
    return output


def license_of(network: "ModelProto") -> str | None:
    """The license that an exported file names; None if it names none."""
    return next((item.value for item in network.metadata_props if item.key == _LICENSE), None)


def _read(file: Path) -> "ModelProto":
    import onnx

    if (count := file.stat().st_size) > _LARGEST:
        raise ModelFolderError(f"{file} cannot be read: {size(count)} are more than an ONNX file can hold")
    try:
        return onnx.load(file)
    except Exception as error:  # protobuf's own exceptions share no base class but this
        raise ModelFolderError(
            f"{file} cannot be read: {' '.join(str(error).split())}", "export it again"
        ) from error
