"""The network of a foreign ONNX file as model.onnx of a model folder.

The file's operations stay as they are. Operations before them turn `images` (N, C, H, W) float32 into its input, and those after
them give `logits` (N, K) and `embedding` (N, D). A softmax or sigmoid at the end is left out, since its input is the logits.
"""

import dataclasses
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.foreign_file import STANDARD, ForeignNetwork, unusable
from cnncli.engines.onnx import FATAL_ERRORS
from cnncli.engines.preprocessing import OPSET

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

_SHAPERS = {"Identity", "Reshape", "Flatten", "Squeeze", "Transpose", "Cast", "Dropout"}
"""Operators that pass numbers on; those of a vector keep their order."""

_AFTER_PRODUCT = _SHAPERS | {"Add", "Clip", "Softmax", "Sigmoid"}
"""Operators that may come between the last matrix product and the scores."""

_GIVE_LOGITS = {
    "Gemm",
    "MatMul",
    "Add",
    "Conv",
    "GlobalAveragePool",
    "AveragePool",
    "ReduceMean",
    "LogSoftmax",
}
"""Operators at the end of a network whose outputs are logits."""

_PREFIX, _ADDED = "net/", "cnncli_"
"""Prefixes of the file's own names, and of those that are added."""

_PORTS = ("images", "logits", "embedding")
"""Input and outputs of model.onnx."""

TOLERANCE = 1e-4
"""Largest difference of a score from the file's own, as a share of their spread."""

_IR_VERSION = 8
"""The oldest version of ONNX files in which constants need not be inputs is 4; 8 belongs to opset 15."""


@frozen_dataclass
class Scores:
    """Where the scores of a network come from.

    Attributes:
        logits: the name of the value that is its logits, or whatever its output is.
        ending: the operator that gives its output: `Softmax` and `Sigmoid` come after the logits.
        embedding: the name of the value (1, D) or (1, D, 1, 1) that the last matrix product multiplies; None where there is no such product.
        classes: K.
    """

    logits: str
    ending: str
    embedding: str | None
    classes: int

    @property
    def is_certain(self) -> bool:
        """Whether the operator says whether these are logits or probabilities."""
        return self.ending in _GIVE_LOGITS or self.ending in {"Softmax", "Sigmoid"}


def raise_opset(network: ForeignNetwork, size: tuple[int, int], file: Path) -> ForeignNetwork:
    """The network in the opset that `export` needs, where ONNX can convert it; otherwise as it is.

    Args:
        network: the file's.
        size: (height, width) of an image, for the comparison of both.
        file: for messages.
    """
    from onnx import version_converter

    if any(item.version >= OPSET for item in network.model.opset_import if item.domain in STANDARD):
        return network
    image = _arrange(network, np.random.default_rng(0).random((1, network.channels, *size), np.float32))
    names = [output.name for output in network.model.graph.output]
    before = _open(network, names, file)(image)
    try:
        newer = dataclasses.replace(network, model=version_converter.convert_version(network.model, OPSET))
        after = _open(newer, names, file)(image)
    except Exception:  # noqa: BLE001 - the converter's own exceptions share no base class but this
        return network
    is_same = all(
        np.abs(before[name] - after[name]).max() <= TOLERANCE * np.ptp(before[name]) for name in names
    )
    return newer if is_same else network


def find_scores(network: ForeignNetwork, size: tuple[int, int], file: Path) -> Scores:
    """Where the scores come from, found by running the network on one image of a size (height, width).

    Raises:
        ModelFolderError: it does not run, or no output has one score for each class.
    """
    graph = network.model.graph
    image = _arrange(network, np.zeros((1, network.channels, *size), np.float32))
    outputs = _open(network, [output.name for output in graph.output], file)(image)
    flat = {name: values for name, values in outputs.items() if _is_flat(values)}
    if len(flat) != 1:
        shapes = ", ".join(f"{name} {' x '.join(map(str, values.shape))}" for name, values in outputs.items())
        problem = "no output" if not flat else "more than one output"
        raise unusable(file, f"{problem} has one score for each class ({shapes})")
    ((output, values),) = flat.items()
    producers = {name: node for node in graph.node for name in node.output}
    last = _trace(output, producers, _SHAPERS)
    ending = last.op_type if last else ""
    logits = last.input[0] if last and ending in {"Softmax", "Sigmoid"} else output
    product = _trace(logits, producers, _AFTER_PRODUCT)
    embedding = product.input[0] if product and product.op_type in {"Gemm", "MatMul", "Conv"} else None
    if embedding and not _is_flat(_open(network, [embedding], file)(image)[embedding]):
        embedding = None
    return Scores(logits, ending, embedding, values.size)


def _is_flat(values: NDArray[Any]) -> bool:
    """Whether values are (1, K), or (1, K, 1, 1)."""
    return values.ndim > 1 and values.size == values.shape[1] > 1


def _trace(name: str, producers: "Mapping[str, NodeProto]", passing: set[str]) -> "NodeProto | None":
    """The node that computes a value, before operators that pass it on."""
    node = producers.get(name)
    while node and node.op_type in passing:
        name = next((source for source in node.input if source in producers), "")
        node = producers.get(name)
    return node


def run_one_by_one(
    network: ForeignNetwork, scores: Scores, images: NDArray[np.float32], file: Path
) -> NDArray[np.float32]:
    """The file's own scores (N, K) for images (N, C, H, W), computed for each image on its own."""
    run = _open(network, [scores.logits], file)
    rows = [run(_arrange(network, image[None]))[scores.logits].reshape(-1) for image in images]
    return np.stack(rows).astype(np.float32)


def _arrange(network: ForeignNetwork, images: NDArray[np.float32]) -> NDArray[Any]:
    """Images (N, C, H, W) with the axes and the type that the file expects."""
    from onnx import helper

    images = np.rint(images * np.float32(255)) if network.takes_bytes else images
    images = images[:, ::-1] if network.reverses_channels else images
    images = images.transpose(0, 2, 3, 1) if network.is_channels_last else images
    return images.astype(helper.tensor_dtype_to_np_dtype(network.type))


def _open(
    network: ForeignNetwork, names: list[str], file: Path
) -> Callable[[NDArray[Any]], dict[str, NDArray[Any]]]:
    """A function that computes values of the network by name."""
    import onnx
    from onnx import helper

    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in names if name not in known
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL_ERRORS

    def run(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        try:
            return dict(zip(names, session.run(names, {network.name: images}), strict=True))
        except Exception as error:  # onnxruntime's own exceptions share no base class but this
            raise unusable(file, str(error)) from error

    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise unusable(file, str(error)) from error
    return run


def rebuild(
    network: ForeignNetwork, scores: Scores, size: tuple[int, int], *, are_probabilities: bool
) -> "ModelProto":
    """The network as model.onnx: images -> logits, embedding.

    Args:
        network: the file's.
        scores: where its scores come from.
        size: (height, width) of its input.
        are_probabilities: whether the value of `scores.logits` holds probabilities, whose logarithms are the logits.
    """
    from onnx import TensorProto, compose, helper

    model = compose.add_prefix(network.model, _PREFIX)
    nodes = [
        *_adapter(network),
        *model.graph.node,
        *_outputs(scores, are_probabilities=are_probabilities),
    ]
    shape = [network.channels, *size]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", *shape])
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", scores.classes]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", "D"]),
    ]
    if network.has_fixed_batch:
        nodes = [_one_by_one(nodes, shape)]
    graph = helper.make_graph(
        nodes, "network", [images], outputs, [*_constants(shape), *model.graph.initializer]
    )
    version = max(network.model.ir_version, _IR_VERSION)
    return helper.make_model(graph, opset_imports=network.model.opset_import, ir_version=version)


def _constants(shape: list[int]) -> "list[TensorProto]":
    """The constants of the operations that are added; `shape` is (C, H, W) of an image."""
    from onnx import numpy_helper

    arrays: dict[str, NDArray[Any]] = {
        "white": np.array(255, np.float32),
        "tiny": np.array(np.finfo(np.float32).tiny, np.float32),
        "batch": np.array([-1, *shape], np.int64),
        "row": np.array([-1], np.int64),
        "reversed": np.arange(shape[0], dtype=np.int64)[::-1].copy(),
    }
    return [numpy_helper.from_array(array, f"{_ADDED}{name}") for name, array in arrays.items()]


def _adapter(network: ForeignNetwork) -> "list[NodeProto]":
    """Operations from images, or from a single image without the axis N, to the file's input: its order of axes and its type."""
    from onnx import helper

    steps: list[tuple[str, list[str], dict[str, Any]]] = [("Reshape", [f"{_ADDED}batch"], {})]
    if network.reverses_channels:
        steps.append(("Gather", [f"{_ADDED}reversed"], {"axis": 1}))
    if network.is_channels_last:
        steps.append(("Transpose", [], {"perm": [0, 2, 3, 1]}))
    if network.takes_bytes:
        steps += [("Mul", [f"{_ADDED}white"], {}), ("Round", [], {})]
    steps.append(("Cast", [], {"to": network.type}))
    names = [
        "images",
        *(f"{_ADDED}input_{number}" for number in range(len(steps) - 1)),
        _PREFIX + network.name,
    ]
    return [
        helper.make_node(kind, [before, *more], [after], **attributes)
        for (kind, more, attributes), (before, after) in zip(steps, pairwise(names), strict=True)
    ]


def _outputs(scores: Scores, *, are_probabilities: bool) -> "list[NodeProto]":
    """Operations from the file's values to logits and embedding; without an embedding, the scores take its place."""
    from onnx import TensorProto, helper

    rows = f"{_ADDED}rows"
    nodes = [
        helper.make_node("Cast", [_PREFIX + scores.logits], [f"{_ADDED}scores"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", [f"{_ADDED}scores"], [rows], axis=1),
        helper.make_node(
            "Cast",
            [_PREFIX + scores.embedding if scores.embedding else rows],
            [f"{_ADDED}features"],
            to=TensorProto.FLOAT,
        ),
        helper.make_node("Flatten", [f"{_ADDED}features"], ["embedding"], axis=1),
    ]
    if not are_probabilities:
        return [*nodes, helper.make_node("Identity", [rows], ["logits"])]
    return [
        *nodes,
        helper.make_node("Max", [rows, f"{_ADDED}tiny"], [f"{_ADDED}positive"]),
        helper.make_node("Log", [f"{_ADDED}positive"], ["logits"]),
    ]


def _one_by_one(nodes: "list[NodeProto]", shape: list[int]) -> "NodeProto":
    """One operation that runs others for each image (C, H, W) of a batch."""
    from onnx import TensorProto, helper

    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [f"{_ADDED}one_{name}" if name in _PORTS else name for name in names]
    rows = [
        helper.make_node("Reshape", [f"{_ADDED}one_{name}", f"{_ADDED}row"], [f"{_ADDED}row_{name}"])
        for name in _PORTS[1:]
    ]
    image = helper.make_tensor_value_info(f"{_ADDED}one_images", TensorProto.FLOAT, shape)
    outputs = [
        helper.make_tensor_value_info(f"{_ADDED}row_{name}", TensorProto.FLOAT, None) for name in _PORTS[1:]
    ]
    body = helper.make_graph([*nodes, *rows], "one_image", [image], outputs)
    return helper.make_node("Scan", ["images"], ["logits", "embedding"], body=body, num_scan_inputs=1)
