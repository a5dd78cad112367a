"""`images.preprocess` once more, as an ONNX graph: uint8 images of any size to what a network takes in.

ONNX's Resize with antialias is Pillow's resampling, on bytes, first along the rows and then along the columns; sizes and
margins are computed in float64, as Python computes them. So the two agree, but for the last bit of some bytes, and for a few
values of noise where a bicubic filter overshoots (of a photograph fewer than one byte in a thousand differs, by one).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cnncli.errors import CompileError
from cnncli.records.networks import Interpolation, Preprocessing, Resize

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

_FILTERS: dict[Interpolation, dict[str, Any]] = {
    Interpolation.BILINEAR: {"mode": "linear"},
    Interpolation.BICUBIC: {"mode": "cubic", "cubic_coeff_a": -0.5},
}
"""Attributes of ONNX's Resize that make it Pillow's filter of that name; its nearest rounds otherwise, and it has no more."""

_LIKE_PILLOW = {"coordinate_transformation_mode": "half_pixel", "antialias": 1, "exclude_outside": 1}
"""A pixel is a square; one that is made of many is made of all of them; what lies beyond the edge has no say."""

OPSET = 18
"""The first in which Resize has antialias."""

PREFIX = "preprocessing/"
"""Of all names within, so that they are no network's."""


def preprocessing_graph(how: Preprocessing) -> "GraphProto":
    """A graph from `image` (N, H, W, C) uint8, of any H and W, to `images` (N, C, h, w) float32.

    Args:
        how: what the network was trained to see.

    Raises:
        CompileError: ONNX has not that filter.
    """
    from onnx import TensorProto, helper

    if how.interpolation not in _FILTERS:
        raise CompileError(
            f"ONNX has no {how.interpolation} filter that is Pillow's",
            "--input float leaves the preprocessing out",
        )
    graph = _Graph()
    planes = graph.add("Transpose", "image", perm=[0, 3, 1, 2])
    shape = graph.add("Shape", planes)
    first = graph.add("Slice", shape, graph.ints([0]), graph.ints([2]))
    size = graph.add("Slice", shape, graph.ints([2]), graph.ints([4]))
    resized = _resized_size(graph, size, how)
    nothing = graph.constant(np.array([], np.float32))
    filter_ = _LIKE_PILLOW | _FILTERS[how.interpolation]
    image = graph.add(
        "Resize", planes, nothing, nothing, graph.add("Concat", first, resized, axis=0), **filter_
    )
    values = _cropped(graph, graph.add("Cast", image, to=TensorProto.FLOAT), resized, how)
    for operation, numbers in (("Div", [255.0] * how.channels), ("Sub", how.mean), ("Div", how.std)):
        values = graph.add(operation, values, graph.column(numbers))
    graph.nodes.append(helper.make_node("Identity", [values], ["images"]))
    taken = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", "H", "W", how.channels])
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", how.channels, *how.size])
    return helper.make_graph(graph.nodes, "preprocessing", [taken], [given], graph.constants)


class _Graph:
    """Nodes in the making, each known by the name of its only output."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - whatever ONNX has
        """An operation; the name of what comes out."""
        from onnx import helper

        name = f"{PREFIX}{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [name], **attributes))
        return name

    def constant(self, values: "np.ndarray[Any, Any]") -> str:
        """A tensor that is always the same."""
        from onnx import numpy_helper

        name = f"{PREFIX}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def ints(self, values: Sequence[int]) -> str:
        """An int64 vector."""
        return self.constant(np.array(values, np.int64))

    def doubles(self, values: Sequence[float]) -> str:
        """A float64 vector."""
        return self.constant(np.array(values, np.float64))

    def column(self, values: Sequence[float]) -> str:
        """(C, 1, 1) float32, to go with planes."""
        return self.constant(np.array(values, np.float32)[:, np.newaxis, np.newaxis])


def _resized_size(graph: _Graph, size: str, how: Preprocessing) -> str:
    """`images.preprocess.resized_size`, for and as (height, width) int64."""
    from onnx import TensorProto

    if how.resize_mode is Resize.SQUASH:
        return graph.ints(how.resize)
    if how.resize_mode is Resize.SHORTER:
        shorter = graph.add("ReduceMin", size, keepdims=1)
        # Whole numbers divide as the longer side is cut; for the shorter one this is the target itself.
        return graph.add("Div", graph.add("Mul", size, graph.ints([how.resize[0]])), shorter)
    exact = graph.add("Cast", size, to=TensorProto.DOUBLE)
    ratios = graph.add("Div", exact, graph.doubles(how.resize))
    reduce = "ReduceMin" if how.resize_mode is Resize.COVER else "ReduceMax"
    sides = graph.add("Round", graph.add("Div", exact, graph.add(reduce, ratios, keepdims=1)))
    return graph.add("Max", graph.add("Cast", sides, to=TensorProto.INT64), graph.ints([1]))


def _cropped(graph: _Graph, values: str, resized: str, how: Preprocessing) -> str:
    """`images.preprocess.cropped`, of planes: filled up where they are too small, then cut."""
    from onnx import TensorProto

    target = graph.ints(how.size)
    is_small = any(small < large for small, large in zip(how.resize, how.size, strict=True))
    if how.resize_mode is Resize.FIT or is_small:
        missing = graph.add("Max", graph.add("Sub", target, resized), graph.ints([0]))
        before, none = graph.add("Div", missing, graph.ints([2])), graph.ints([0, 0])
        pads = graph.add("Concat", none, before, none, graph.add("Sub", missing, before), axis=0)
        fill = graph.column(how.fill)
        values = graph.add("Add", graph.add("Pad", graph.add("Sub", values, fill), pads), fill)
    more = graph.add("Max", graph.add("Sub", resized, target), graph.ints([0]))
    half = graph.add("Div", graph.add("Cast", more, to=TensorProto.DOUBLE), graph.doubles([2.0]))
    start = graph.add("Cast", graph.add("Round", half), to=TensorProto.INT64)
    return graph.add("Slice", values, start, graph.add("Add", start, target), graph.ints([2, 3]))
