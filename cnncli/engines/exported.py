"""A network as one ONNX file that needs no cnncli: with preprocessing, probabilities and its card.

Its input is `image` (N, H, W, C) uint8 of any size, or `images` (N, C, H, W) float32, already preprocessed; its outputs are
`probabilities` (N, K) and `embedding` (N, D). The compiled network stays intact in between, with the names it has in a model
folder, so that `unpack` can extract it.

The file's metadata: `class_names` (a JSON list), `license` if known, `description`, and `cnncli_card`.
"""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.engines.engine import PREPARE_AGAIN
from cnncli.engines.preprocessing import OPSET, PREFIX, preprocessing_graph
from cnncli.errors import CompileError, ModelFolderError
from cnncli.files.whole import whole_file
from cnncli.logits import ONNX_OPERATOR
from cnncli.networks import card as cards
from cnncli.networks.model_folder import GRAPH, ModelFolder
from cnncli.records.networks import ModelCard
from cnncli.text import size

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, ValueInfoProto

ENDING = ".onnx"

_CARD, _LICENSE = "cnncli_card", "license"
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
    graph.node.append(helper.make_node(ONNX_OPERATOR, ["logits"], ["probabilities"], axis=1))
    embedding = _embedding_output(graph)
    batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param or "N"
    shape = [batch, card.architecture.num_classes]
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, shape)
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
    helper.set_model_props(model, facts | ({_LICENSE: license_} if license_ else {}))
    model.producer_name = "cnncli"
    return model


def _preprocessing(card: ModelCard, model: "ModelProto") -> "GraphProto":
    opset = next(item.version for item in model.opset_import if item.domain in {"", "ai.onnx"})
    if opset < OPSET:
        raise CompileError(f"the compiled network has opset {opset}, and preprocessing needs {OPSET}")
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
    added = {"images", "probabilities"}
    nodes = [
        node
        for node in graph.node
        if not all(name in added or name.startswith(PREFIX) for name in node.output)
    ]
    constants = [constant for constant in graph.initializer if not constant.name.startswith(PREFIX)]
    shape: list[str | int] = ["N", preprocessing.channels, *preprocessing.size]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", card.architecture.num_classes])
    embedding = _embedding_output(graph)
    inner = helper.make_graph(nodes, graph.name, [images], [logits, embedding], constants)
    network = helper.make_model(inner, opset_imports=model.opset_import, ir_version=model.ir_version)
    helper.set_model_props(network, {_LICENSE: facts[_LICENSE]} if _LICENSE in facts else {})
    onnx.save(network, folder / GRAPH)
    return card


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
