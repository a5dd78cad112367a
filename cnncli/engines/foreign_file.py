"""ONNX files of other programs: their content, and what they take; nothing outside a file's folder is read."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import ModelFolderError
from cnncli.text import first_line

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

STANDARD = {"", "ai.onnx"}
"""Names of the domain of standard operators."""

_LARGEST = 2**31 - 1
"""Largest size of an ONNX file in bytes."""

_IMAGE_AXES = 4


@frozen_dataclass
class ForeignNetwork:
    """An ONNX file that maps one tensor of images to scores.

    Attributes:
        model: its content, with external data.
        name: of its input.
        type: ONNX's number of the input's type.
        channels: 1 or 3.
        size: (height, width) in pixels; None where the file leaves it open.
        is_channels_last: whether its input is (N, H, W, C).
        has_fixed_batch: whether it takes one image at a time.
        metadata: the notes of the program that wrote it.
        reverses_channels: whether it takes blue, green, red.
    """

    model: "ModelProto"
    name: str
    type: int
    channels: int
    size: tuple[int, int] | None
    is_channels_last: bool
    has_fixed_batch: bool
    metadata: Mapping[str, str]
    reverses_channels: bool = False

    @property
    def takes_bytes(self) -> bool:
        """Whether its input is uint8."""
        from onnx import TensorProto

        return self.type == TensorProto.UINT8


def read(file: Path, channels: int = 3) -> ForeignNetwork:
    """Read an ONNX file that other programs wrote.

    Args:
        file: the file.
        channels: of its images, in planes, where it leaves that open, as files of optimum do.

    Raises:
        ModelFolderError: it is damaged, does not map images, has operators of its own, or refers to files elsewhere.
    """
    from onnx import TensorProto

    model = _load(file)
    graph = model.graph
    for node in _all_nodes(graph):
        if node.domain not in STANDARD:
            raise unusable(file, f"its operator {node.domain}.{node.op_type} is not one of ONNX")
    constants = {constant.name for constant in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs)
        raise unusable(file, f"it has {len(inputs)} inputs ({names}), and one tensor of images is needed")
    tensor = inputs[0].type.tensor_type
    dimensions = [dimension.dim_value or None for dimension in tensor.shape.dim]
    shape = " x ".join(str(length or "?") for length in dimensions)
    if tensor.elem_type not in {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8}:
        raise unusable(file, f"its input is {TensorProto.DataType.Name(tensor.elem_type).lower()}")
    if len(dimensions) != _IMAGE_AXES or not {dimensions[1] or channels, dimensions[3]} & {1, 3}:
        raise unusable(file, f"its input is {shape}: no images with 1 or 3 channels")
    is_last = dimensions[1] not in {1, 3} and dimensions[3] in {1, 3}
    batch, planes = dimensions[0], dimensions[3 if is_last else 1]
    height, width = dimensions[1:3] if is_last else dimensions[2:4]
    if batch not in {None, 1}:
        raise unusable(
            file, f"it takes {batch} images at a time; export it with a batch of 1, or of any size"
        )
    return ForeignNetwork(
        model=model,
        name=inputs[0].name,
        type=tensor.elem_type,
        channels=planes or channels,
        size=(height, width) if height and width else None,
        is_channels_last=is_last,
        has_fixed_batch=batch == 1,
        metadata={item.key: item.value for item in model.metadata_props},
    )


def _load(file: Path) -> "ModelProto":
    """The content of a file, with data that is in other files of its folder."""
    import onnx
    from onnx import external_data_helper, inliner

    with _explain_damage(file):
        size = file.stat().st_size
    _require_size(file, size)
    with _explain_damage(file):
        model = onnx.load(file, load_external_data=False)
    names = {
        entry.value for tensor in _tensors(model) for entry in tensor.external_data if entry.key == "location"
    }
    if strange := [name for name in names if not _is_inside(file.parent, name)]:
        raise unusable(file, f"it names {strange[0]!r}, a file outside its folder")
    with _explain_damage(file):
        size += sum((file.parent / name).stat().st_size for name in names)
    _require_size(file, size)
    with _explain_damage(file):
        external_data_helper.load_external_data_for_model(model, str(file.parent))
        return inliner.inline_local_functions(model) if model.functions else model


def _require_size(file: Path, size: int) -> None:
    if size > _LARGEST:
        raise unusable(file, "it has more than 2 GB of weights")


@contextlib.contextmanager
def _explain_damage(file: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # protobuf's and onnx's own exceptions share no base class but this
        raise unusable(file, first_line(error)) from error


def _tensors(model: "ModelProto") -> "Iterator[TensorProto]":
    """All constants of a model."""
    yield from model.graph.initializer
    for node in _all_nodes(model.graph):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            for graph in (attribute.g, *attribute.graphs):
                yield from graph.initializer


def _all_nodes(graph: "GraphProto") -> "Iterator[NodeProto]":
    """The nodes of a graph, and of the graphs inside them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _all_nodes(inner)


def _is_inside(folder: Path, name: str) -> bool:
    return (folder / name).resolve().is_relative_to(folder.resolve())


def unusable(file: Path, reason: str) -> ModelFolderError:
    """Error for a file that is not a classifier of images, or not one that can be run."""
    return ModelFolderError(f"{file} cannot be used: {' '.join(reason.split())[:300]}")
