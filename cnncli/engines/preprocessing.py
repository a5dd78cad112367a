"""`images.preprocess` as an ONNX graph, from uint8 images of any size to a network's input.

ONNX's Resize with antialias is Pillow's resampling of bytes, first along the rows and then along the columns; sizes and
margins are computed in float64, as in Python. The results agree except for the last bit of some bytes, and for a few values
of noise where a bicubic filter overshoots (in a photograph, fewer than one byte in a thousand differs, by one).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cnncli.errors import CompileError
from cnncli.records.networks import CropRounding, Interpolation, Preprocessing, Resize

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

_FILTERS: dict[Interpolation, dict[str, Any]] = {
    Interpolation.BILINEAR: {"mode": "linear"},
    Interpolation.BICUBIC: {"mode": "cubic", "cubic_coeff_a": -0.5},
}
"""Attributes of ONNX's Resize that make it equal to Pillow's filter of that name. ONNX's nearest rounds differently; other filters do not exist."""

_LIKE_PILLOW = {"coordinate_transformation_mode": "half_pixel", "antialias": 1, "exclude_outside": 1}
"""Pixels are squares; a downscaled pixel averages all pixels that it covers; nothing beyond the edge is used."""

OPSET = 18
"""The first opset in which Resize has antialias."""

PREFIX = "preprocessing/"
"""Prefix of all names in the graph, so that none collides with the network's."""


def preprocessing_graph(preprocessing: Preprocessing) -> "GraphProto":
    """A graph from `image` (N, H, W, C) uint8, of any H and W, to `images` (N, C, h, w) float32.

    Args:
        preprocessing: the network's preprocessing.

    Raises:
        CompileError: ONNX has no such filter.
    """
    from onnx import TensorProto, helper

    if preprocessing.interpolation not in _FILTERS:
        raise CompileError(
            f"ONNX has no {preprocessing.interpolation} filter equal to Pillow's",
            "--input float exports without preprocessing",
        )
    graph = _Graph()
    planes = graph.add("Transpose", "image", perm=[0, 3, 1, 2])
    shape = graph.add("Shape", planes)
    first = graph.add("Slice", shape, graph.ints([0]), graph.ints([2]))
    size = graph.add("Slice", shape, graph.ints([2]), graph.ints([4]))
    resized = _output_size(graph, size, preprocessing)
    nothing = graph.constant(np.array([], np.float32))
    filter_ = _LIKE_PILLOW | _FILTERS[preprocessing.interpolation]
    image = graph.add(
        "Resize", planes, nothing, nothing, graph.add("Concat", first, resized, axis=0), **filter_
    )
    values = _crop(graph, graph.add("Cast", image, to=TensorProto.FLOAT), resized, preprocessing)
    for operation, numbers in (
        ("Div", [255.0] * preprocessing.channels),
        ("Sub", preprocessing.mean),
        ("Div", preprocessing.std),
    ):
        values = graph.add(operation, values, graph.column(numbers))
    graph.nodes.append(helper.make_node("Identity", [values], ["images"]))
    input_ = helper.make_tensor_value_info(
        "image", TensorProto.UINT8, ["N", "H", "W", preprocessing.channels]
    )
    output = helper.make_tensor_value_info(
        "images", TensorProto.FLOAT, ["N", preprocessing.channels, *preprocessing.size]
    )
    return helper.make_graph(graph.nodes, "preprocessing", [input_], [output], graph.constants)


class _Graph:
    """A graph under construction; nodes are referred to by the name of their only output."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - any attribute of ONNX
        """Add an operation; returns the name of its output."""
        from onnx import helper

        name = f"{PREFIX}{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [name], **attributes))
        return name

    def constant(self, values: "np.ndarray[Any, Any]") -> str:
        """Add a constant tensor; returns its name."""
        from onnx import numpy_helper

        name = f"{PREFIX}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def ints(self, values: Sequence[int]) -> str:
        """Add a constant int64 vector."""
        return self.constant(np.array(values, np.int64))

    def doubles(self, values: Sequence[float]) -> str:
        """Add a constant float64 vector."""
        return self.constant(np.array(values, np.float64))

    def column(self, values: Sequence[float]) -> str:
        """Add a constant (C, 1, 1) float32 array, which broadcasts over images."""
        return self.constant(np.array(values, np.float32)[:, np.newaxis, np.newaxis])


def _output_size(graph: _Graph, size: str, preprocessing: Preprocessing) -> str:
    """Add `images.preprocess.size_after_resize`; input and output are (height, width) as int64."""
    from onnx import TensorProto

    if preprocessing.resize_mode is Resize.SQUASH:
        return graph.ints(preprocessing.resize)
    if preprocessing.resize_mode is Resize.SHORTER:
        shorter = graph.add("ReduceMin", size, keepdims=1)
        # Integer division truncates the longer side, as in Python; the shorter side is the target itself.
        return graph.add("Div", graph.add("Mul", size, graph.ints([preprocessing.resize[0]])), shorter)
    exact = graph.add("Cast", size, to=TensorProto.DOUBLE)
    ratios = graph.add("Div", exact, graph.doubles(preprocessing.resize))
    reduce = "ReduceMin" if preprocessing.resize_mode is Resize.COVER else "ReduceMax"
    sides = graph.add("Round", graph.add("Div", exact, graph.add(reduce, ratios, keepdims=1)))
    return graph.add("Max", graph.add("Cast", sides, to=TensorProto.INT64), graph.ints([1]))


def _crop(graph: _Graph, values: str, resized: str, preprocessing: Preprocessing) -> str:
    """Add `images.preprocess.center_crop`: pad (C, H, W) where it is too small, then crop."""
    from onnx import TensorProto

    target = graph.ints(preprocessing.size)
    rounds_down = preprocessing.crop_rounding is CropRounding.DOWN
    is_small = any(
        small < large for small, large in zip(preprocessing.resize, preprocessing.size, strict=True)
    )
    if preprocessing.resize_mode is Resize.FIT or is_small:
        missing = graph.add("Max", graph.add("Sub", target, resized), graph.ints([0]))
        smaller, none = graph.add("Div", missing, graph.ints([2])), graph.ints([0, 0])
        sides = [smaller, graph.add("Sub", missing, smaller)]
        before, after = sides[::-1] if rounds_down else sides
        pads = graph.add("Concat", none, before, none, after, axis=0)
        fill = graph.column(preprocessing.fill)
        values = graph.add("Add", graph.add("Pad", graph.add("Sub", values, fill), pads), fill)
    more = graph.add("Max", graph.add("Sub", resized, target), graph.ints([0]))
    if rounds_down:
        start = graph.add("Div", more, graph.ints([2]))
    else:
        half = graph.add("Div", graph.add("Cast", more, to=TensorProto.DOUBLE), graph.doubles([2.0]))
        start = graph.add("Cast", graph.add("Round", half), to=TensorProto.INT64)
    return graph.add("Slice", values, start, graph.add("Add", start, target), graph.ints([2, 3]))
