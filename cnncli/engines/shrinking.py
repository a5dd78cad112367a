"""A compiled network in fewer bits: float16 for half the size, int8 for a quarter and integer arithmetic.

Converted by ONNX Runtime's own tools. The caller measures the loss in accuracy.
"""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnncli.errors import CompileError
from cnncli.images.preprocess import Pixels

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto


def convert_to_half(network: "ModelProto") -> "ModelProto":
    """Convert weights and arithmetic to float16; inputs and outputs stay float32.

    Args:
        network: images -> logits, embedding; modified in place.

    Raises:
        CompileError: it cannot be converted.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with _silence_converters():
        try:
            converted: ModelProto = convert_float_to_float16(network, keep_io_types=True)
        except Exception as error:  # the converter has no exceptions of its own
            raise CompileError(
                f"it cannot be converted to float16: {' '.join(str(error).split())}"
            ) from error
    _sort(converted.graph)
    return converted


WORTH_HALVING = 256
"""Smallest number of elements of a tensor that is stored in half: scales and shifts are small, and need the precision."""


def store_in_half(network: "ModelProto") -> "ModelProto":
    """Store weights as float16 and cast them back to float32 when the file is opened: half the size, same arithmetic.

    Args:
        network: images -> logits, embedding; modified in place.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = network.graph
    casts = []
    for tensor in graph.initializer:
        numbers = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or numbers.size < WORTH_HALVING:
            continue
        name, stored = tensor.name, f"{tensor.name}.half"
        tensor.CopyFrom(numpy_helper.from_array(numbers.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return network


def _sort(graph: "GraphProto") -> None:
    """Sort nodes topologically; the converter appends some at the end."""
    nodes = list(graph.node)
    producers = {name: number for number, node in enumerate(nodes) for name in node.output}
    order: dict[int, None] = {}
    waiting = list(reversed(range(len(nodes))))
    while waiting:
        number = waiting[-1]
        dependencies = {producers[name] for name in nodes[number].input if name in producers}
        if number not in order and (missing := dependencies - order.keys()):
            waiting += missing
            continue
        order.setdefault(waiting.pop())
    copies = [type(nodes[number]).FromString(nodes[number].SerializeToString()) for number in order]
    del graph.node[:]
    graph.node.extend(copies)


def quantize(network: "ModelProto", images: Iterable[Pixels]) -> "ModelProto":
    """Convert weights to int8 with a scale per channel, activations to uint8 with ranges measured on images.

    Args:
        network: images -> logits, embedding.
        images: (C, H, W) each, preprocessed and typical of the network's use.

    Raises:
        CompileError: it cannot be converted.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    rows = iter(images)

    class _Images(quantization.CalibrationDataReader):  # type: ignore[misc]
        """Feeds one image at a time."""

        def get_next(self) -> dict[str, Pixels] | None:
            """The next image; None at the end."""
            image = next(rows, None)
            return None if image is None else {"images": image[None]}

    with tempfile.TemporaryDirectory() as folder, _silence_converters():
        names = ("original.onnx", "preprocessed.onnx", "quantized.onnx")
        original, preprocessed, quantized = (Path(folder) / name for name in names)
        onnx.save(network, original)
        try:
            quant_pre_process(original, preprocessed, skip_symbolic_shape=True)
            quantization.quantize_static(
                preprocessed,
                quantized,
                _Images(),
                per_channel=True,
                reduce_range=True,  # or sums of two products overflow on processors without VNNI
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class but this
            raise CompileError(f"it cannot be converted to int8: {' '.join(str(error).split())}") from error
        return onnx.load(quantized)


@contextlib.contextmanager
def _silence_converters() -> Iterator[None]:
    """Hide messages meant for the developers of ONNX Runtime."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
