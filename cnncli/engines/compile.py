"""A torch network to model.onnx, with a check that both give the same outputs.

There are two ways. Tracing records the operations on one batch and takes a second; it suits networks whose operations depend
neither on the content nor on the number of the images, which is true of convolutional networks. torch.export, which works
for any number of images, suits nearly all others and takes ten times as long.
"""

import contextlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import onnxruntime
import torch

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.onnx import FATAL_ERRORS, OnnxEngine
from cnncli.errors import CnncliError, CompileError, ModelFolderError, OutOfMemoryError
from cnncli.networks.zoo.embedding import WithEmbedding
from cnncli.text import first_line

if TYPE_CHECKING:
    from onnx import ModelProto

TOLERANCE = 1e-4
"""Largest difference of any logit, as a share of the logits' spread, at which a compiled network is trusted."""

_GRAPH_LIMIT = 2**31 - 1
"""Largest size in bytes of a Protocol Buffers file, and so of an ONNX file with its weights inside."""

_EXPORT_BATCH = 2
"""Images while tracing: more than one, or torch treats the batch axis as a constant."""

_CHECK_BATCH = 3
"""Images of the comparison: another number than while tracing, to detect a fixed batch axis."""

_INPUTS, _OUTPUTS = ["images"], ["logits", "embedding"]

_OPSET = 18
"""ONNX opset of a traced network: the first in which Resize has antialias, which preprocessing needs."""


@frozen_dataclass
class OutputDifference:
    """How far ONNX Runtime's outputs differ from torch's on the same random images.

    Attributes:
        largest_difference: largest absolute difference of any logit.
        spread: largest minus smallest logit.
    """

    largest_difference: float
    spread: float


def compile_network(network: WithEmbedding, shape: tuple[int, int, int], file: Path) -> OutputDifference:
    """Write `network` as ONNX: images (N, C, H, W) -> logits (N, K), embedding (N, D), for any N.

    Args:
        network: the network, in evaluation mode, on the CPU.
        shape: (C, H, W) of its input.
        file: the file to write; does not exist if this fails.

    Raises:
        CompileError: the exporter does not support it, or the outputs of the result differ.
    """
    weight_bytes = sum(tensor.nbytes for tensor in network.state_dict().values())
    if weight_bytes > _GRAPH_LIMIT:
        raise CompileError(f"its {weight_bytes / 1e9:.1f} GB of weights are more than one ONNX file can hold")
    with contextlib.suppress(CompileError, OutOfMemoryError):  # a layer's name can look like the latter
        return _export_and_compare(_trace, network, shape, file)
    return _export_and_compare(_export, network, shape, file)


def _export_and_compare(
    export: Callable[[WithEmbedding, tuple[int, int, int], Path], None],
    network: WithEmbedding,
    shape: tuple[int, int, int],
    file: Path,
) -> OutputDifference:
    """Write the file in one of the two ways; delete it if its outputs differ."""
    try:
        export(network, shape, file)
        return compare(network, shape, file)
    except CnncliError:
        file.unlink(missing_ok=True)
        raise


def _trace(network: WithEmbedding, shape: tuple[int, int, int], file: Path) -> None:
    """Trace the network with one batch, fold constants, and leave the number of images open.

    Raises:
        CompileError: the operations depend on the images. Whether they depend on their number, `compare` shows.
    """
    images = torch.zeros(_EXPORT_BATCH, *shape)
    try:
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            traced = Path(folder, "traced.onnx")
            with _silence_exporter(), torch.inference_mode(mode=False), torch.no_grad():
                # A value that becomes a Python number would be a constant for all later images.
                warnings.simplefilter("error", torch.jit.TracerWarning)  # type: ignore[attr-defined]
                # transformers only checks shapes that way; running the result on another number of images is a test of it.
                warnings.filterwarnings("ignore", category=torch.jit.TracerWarning, module="transformers")  # type: ignore[attr-defined]
                torch.onnx.export(
                    network,
                    (images,),
                    traced,
                    input_names=_INPUTS,
                    output_names=_OUTPUTS,
                    opset_version=_OPSET,
                    dynamo=False,
                )
            model = _fold_constants(traced)
        _open_batch_axis(model, file)
    except (ModuleNotFoundError, MemoryError):  # not the network's fault
        raise
    except Exception as error:  # the tracer and ONNX Runtime may raise anything
        raise CompileError(f"torch cannot trace it: {_root_cause(error)}") from error


def _fold_constants(traced: Path) -> "ModelProto":
    """The same network without operations whose result is constant, such as sizes of feature maps."""
    import onnx

    folded = traced.with_name("folded.onnx")
    options = _options()
    # The basic optimisations do not depend on the processor.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    onnxruntime.InferenceSession(traced, options, providers=["CPUExecutionProvider"])
    model = onnx.load(folded)
    if any(node.domain for node in model.graph.node):
        raise CompileError("ONNX Runtime inserted operators of its own")
    standard = [item for item in model.opset_import if not item.domain]
    del model.opset_import[:]
    model.opset_import.extend(standard)
    return model


def _open_batch_axis(model: "ModelProto", file: Path) -> None:
    """Declare the batch axis variable; running the network with another batch shows whether it is."""
    import onnx

    del model.graph.value_info[:]  # intermediate shapes, for the traced batch
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(model, file)


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL_ERRORS
    return options


def _export(network: WithEmbedding, shape: tuple[int, int, int], file: Path) -> None:
    """Export the network for any number of images, by torch.export.

    Raises:
        CompileError: torch does not support it.
    """
    images = torch.zeros(_EXPORT_BATCH, *shape)
    try:
        with _silence_exporter(), torch.inference_mode(mode=False), torch.no_grad():
            program = torch.onnx.export(
                network,
                (images,),
                input_names=_INPUTS,
                output_names=_OUTPUTS,
                dynamic_shapes={"images": {0: torch.export.Dim("N")}},
                dynamo=True,
                verbose=False,
            )
            assert program is not None  # noqa: S101 - for the type checker: only dynamo=False returns None
            _strip_metadata(program)
            _free_names(program)
            program.save(file)
    except (ModuleNotFoundError, OSError, MemoryError):  # not the network's fault
        raise
    except Exception as error:  # the exporter may raise anything
        raise CompileError(f"torch cannot export it: {_root_cause(error)}") from error


def _strip_metadata(program: torch.onnx.ONNXProgram) -> None:
    """Remove the exporter's notes on the origin of each operation: they contain paths of this machine."""
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    program.model.metadata_props.clear()
    program.model.graph.metadata_props.clear()


def _free_names(program: torch.onnx.ONNXProgram) -> None:
    """Rename inner values that have the name of an output: torch calls the result of looking up a position `embedding`."""
    graph = program.model.graph
    values = [value for node in graph.all_nodes() for value in node.outputs]
    for value in (*values, *graph.initializers.values()):
        if value.name in _OUTPUTS and value not in graph.outputs:
            value.name = f"inner_{value.name}"


def compare(network: WithEmbedding, shape: tuple[int, int, int], file: Path) -> OutputDifference:
    """Compare a network and its compiled file on the same random images.

    Raises:
        CompileError: a logit differs by more than `TOLERANCE` of the logits' spread.
    """
    result = difference(network, shape, file)
    if not result.largest_difference <= TOLERANCE * result.spread:
        raise CompileError(
            f"the compiled network's logits differ by {result.largest_difference:.2g} on a spread of {result.spread:.2g}"
        )
    return result


def difference(network: WithEmbedding, shape: tuple[int, int, int], file: Path) -> OutputDifference:
    """As `compare`, but without a limit on the difference.

    Raises:
        CompileError: the compiled network does not run, or has another number of logits.
    """
    images = torch.randn(_CHECK_BATCH, *shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(images)[0].numpy()
    try:
        logits = OnnxEngine(file).run(images.numpy()).logits
    except ModelFolderError as error:
        raise CompileError(f"the compiled network does not run: {_root_cause(error)}") from error
    if logits.shape != expected.shape:
        raise CompileError(f"the compiled network has logits {logits.shape} instead of {expected.shape}")
    return OutputDifference(float(abs(logits - expected).max()), float(expected.max() - expected.min()))


def _root_cause(error: BaseException) -> str:
    """First line of the original error, which the exporter wraps in a report."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)


@contextlib.contextmanager
def _silence_exporter() -> Iterator[None]:
    """Suppress the exporter's messages to its own developers: warnings, log lines, stdout."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            if not os.environ.get("CNNCLI_DEBUG"):
                warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
