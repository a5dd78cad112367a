"""A compiled network in fewer bits: float16 for half the bytes, int8 for a quarter and whole-number arithmetic.

The arithmetic is changed by ONNX Runtime's own tools. What it costs in accuracy is for the caller to measure.
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


def halved(network: "ModelProto") -> "ModelProto":
    """Weights and arithmetic in float16; what goes in and comes out stays float32.

    Args:
        network: images -> logits, embedding; it is used up.

    Raises:
        CompileError: it cannot be converted.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with _silenced():
        try:
            found: ModelProto = convert_float_to_float16(network, keep_io_types=True)
        except Exception as error:  # the converter has no exceptions of its own
            raise CompileError(
                f"it cannot be converted to float16: {' '.join(str(error).split())}"
            ) from error
    _sort(found.graph)
    return found


WORTH_HALVING = 256
"""Numbers from which on a tensor is stored in half: scales and shifts are few, and the rest depends on them."""


def stored_in_half(network: "ModelProto") -> "ModelProto":
    """Weights that lie in the file as float16 and are float32 again as soon as it is opened: half the bytes, same arithmetic.

    Args:
        network: images -> logits, embedding; it is used up.
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
    """Bring operations into an order in which each comes after those that it reads; the converter puts some at the end."""
    nodes = list(graph.node)
    made_by = {name: number for number, node in enumerate(nodes) for name in node.output}
    order: dict[int, None] = {}
    waiting = list(reversed(range(len(nodes))))
    while waiting:
        number = waiting[-1]
        read = {made_by[name] for name in nodes[number].input if name in made_by}
        if number not in order and (missing := read - order.keys()):
            waiting += missing
            continue
        order.setdefault(waiting.pop())
    copies = [type(nodes[number]).FromString(nodes[number].SerializeToString()) for number in order]
    del graph.node[:]
    graph.node.extend(copies)


def quantized(network: "ModelProto", images: Iterable[Pixels]) -> "ModelProto":
    """Weights as int8, each channel with a scale of its own, activations as uint8 with the range that images showed.

    Args:
        network: images -> logits, embedding.
        images: (C, H, W) each, preprocessed, of the kind that the network is for.

    Raises:
        CompileError: it cannot be converted.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    rows = iter(images)

    class Shown(quantization.CalibrationDataReader):  # type: ignore[misc]
        """One image after the other."""

        def get_next(self) -> dict[str, Pixels] | None:
            """The next one; None at the end."""
            image = next(rows, None)
            return None if image is None else {"images": image[None]}

    with tempfile.TemporaryDirectory() as folder, _silenced():
        whole, ready, done = (Path(folder) / name for name in ("whole.onnx", "ready.onnx", "done.onnx"))
        onnx.save(network, whole)
        try:
            quant_pre_process(whole, ready, skip_symbolic_shape=True)
            quantization.quantize_static(
                ready,
                done,
                Shown(),
                per_channel=True,
                reduce_range=True,  # or sums of two products overflow on processors without VNNI
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class but this
            raise CompileError(f"it cannot be converted to int8: {' '.join(str(error).split())}") from error
        return onnx.load(done)


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Both speak to their own developers."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
