"""A network as one ONNX file that needs no cnncli: preprocessing before it, probabilities after it, its card within.

What comes in is `image` (N, H, W, C) uint8 of any size, or `images` (N, C, H, W) float32 that are preprocessed already; what
comes out are `probabilities` (N, K) and `embedding` (N, D). The compiled network stays whole in between, under the names
that it has in a model folder, so that `unpack` can take it out again.

The file's metadata: `class_names` (a JSON list), `license` where it is known, `description`, and `cnncli_card`.
"""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.engines.preprocessing import OPSET, PREFIX, preprocessing_graph
from cnncli.errors import CompileError, ModelFolderError
from cnncli.files.whole import whole_file
from cnncli.logits import ONNX_OPERATOR
from cnncli.networks import card as cards
from cnncli.networks.model_folder import GRAPH, ModelFolder
from cnncli.records.networks import ModelCard

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

ENDING = ".onnx"

_CARD, _LICENSE = "cnncli_card", "license"
_LARGEST = 2**31 - 1
"""Bytes of a Protocol Buffers file."""


def load(folder: ModelFolder) -> "ModelProto":
    """The compiled network of a model folder.

    Raises:
        CompileError: there is none.
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
    """One graph with everything.

    Args:
        network: images -> logits, embedding.
        card: of it.
        license_: under which its weights are given, if that is known.
        with_preprocessing: whether it takes bytes of any size.

    Raises:
        CompileError: ONNX cannot express the preprocessing.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.ModelProto()
    model.CopyFrom(network)
    graph = model.graph
    graph.node.append(helper.make_node(ONNX_OPERATOR, ["logits"], ["probabilities"], axis=1))
    embedding = next(output for output in graph.output if output.name == "embedding")
    batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param or "N"
    shape = [batch, card.architecture.num_classes]
    said = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, shape)
    outputs = [said, embedding]
    del graph.output[:]
    graph.output.extend(outputs)
    if with_preprocessing:
        _put_before(graph, _preprocessing(card, model))
    sealed = dataclasses.replace(card, files=())
    facts = {
        "class_names": json.dumps(card.class_names, ensure_ascii=False),
        "description": f"{card.name}, weights: {card.weights_origin}",
        _CARD: cards.to_json(sealed),
    }
    helper.set_model_props(model, facts | ({_LICENSE: license_} if license_ else {}))
    model.producer_name = "cnncli"
    return model


def _preprocessing(card: ModelCard, model: "ModelProto") -> "GraphProto":
    opset = next(item.version for item in model.opset_import if item.domain in {"", "ai.onnx"})
    if opset < OPSET:
        raise CompileError(f"the compiled network has opset {opset}, and preprocessing needs {OPSET}")
    return preprocessing_graph(card.preprocessing)


def _put_before(graph: "GraphProto", first: "GraphProto") -> None:
    """Let a graph's input come from another one, whose names are its own."""
    nodes = [*first.node, *graph.node]
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    graph.initializer.extend(first.initializer)
    del graph.input[:]
    graph.input.extend(first.input)


def save(model: "ModelProto", file: Path) -> None:
    """Write the file, which appears when it is complete.

    Raises:
        CompileError: it is larger than an ONNX file can be.
        OSError: it cannot be written.
    """
    if model.ByteSize() > _LARGEST:
        raise CompileError(f"{model.ByteSize() / 1e9:.1f} GB are more than one ONNX file can hold")
    with whole_file(file, alone=True) as draft:
        draft.write_bytes(model.SerializeToString())


def require_sound(file: Path) -> None:
    """See that a file keeps the rules of ONNX, which ONNX Runtime is lenient about.

    Raises:
        CompileError: it does not.
    """
    import onnx

    try:
        onnx.checker.check_model(file, full_check=True)
    except Exception as error:  # the checker's and shape inference's exceptions share no base class but this
        reason = " ".join(str(error).split())[:200]
        raise CompileError(f"the exported network is no sound ONNX: {reason}") from error


def unpack(file: Path, folder: Path) -> ModelCard:
    """Take the compiled network out of an exported file.

    Args:
        file: that was exported.
        folder: to write model.onnx to.

    Returns:
        Its card.

    Raises:
        ModelFolderError: this is no such file, or it is damaged.
    """
    import onnx
    from onnx import TensorProto, helper

    model = _read(file)
    facts = {item.key: item.value for item in model.metadata_props}
    if _CARD not in facts:
        raise ModelFolderError(
            f"{file} was not exported by cnncli: nothing in it says how to prepare images for it, or names its classes"
        )
    card = cards.from_json(facts[_CARD], str(file))
    graph, how = model.graph, card.preprocessing
    added = {"images", "probabilities"}
    kept = [
        node
        for node in graph.node
        if not all(name in added or name.startswith(PREFIX) for name in node.output)
    ]
    constants = [constant for constant in graph.initializer if not constant.name.startswith(PREFIX)]
    shape: list[str | int] = ["N", how.channels, *how.size]
    taken = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", card.architecture.num_classes])
    embedding = next(output for output in graph.output if output.name == "embedding")
    inner = helper.make_graph(kept, graph.name, [taken], [logits, embedding], constants)
    alone = helper.make_model(inner, opset_imports=model.opset_import, ir_version=model.ir_version)
    helper.set_model_props(alone, {_LICENSE: facts[_LICENSE]} if _LICENSE in facts else {})
    onnx.save(alone, folder / GRAPH)
    return card


def license_of(network: "ModelProto") -> str | None:
    """Under which the weights are given of a network that was exported and read again; None where that is not known."""
    return next((item.value for item in network.metadata_props if item.key == _LICENSE), None)


def _read(file: Path) -> "ModelProto":
    import onnx

    try:
        return onnx.load(file)
    except Exception as error:  # protobuf's own exceptions share no base class but this
        raise ModelFolderError(
            f"{file} cannot be read: {' '.join(str(error).split())}", "export it again"
        ) from error
