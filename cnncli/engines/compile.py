"""A torch network to model.onnx, and the proof that both answer alike.

There are two ways. Tracing records what torch does to one batch and takes a second; it suits networks whose steps depend
neither on what is in the images nor on how many there are, as those of convolutional networks. torch.export, which reasons
about any number of images, suits nearly all others and takes ten times as long.
"""

import contextlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch

from cnncli.engines.onnx import OnnxEngine
from cnncli.errors import CnncliError, CompileError
from cnncli.networks.embedding import WithEmbedding

if TYPE_CHECKING:
    from onnx import ModelProto

TOLERANCE = 1e-4
"""Largest difference of any logit, as a share of the logits' spread, at which a compiled network is trusted."""

_GRAPH_LIMIT = 2**31 - 1
"""Bytes of a Protocol Buffers file, and so of an ONNX file with its weights inside."""

_EXPORT_BATCH = 2
"""Images while tracing: more than one, or torch takes the batch axis for a constant."""

_PROOF_BATCH = 3
"""Images of the comparison: another number than while tracing, so that a fixed batch axis shows."""

_INPUTS, _OUTPUTS = ["images"], ["logits", "embedding"]

_OPSET = 18
"""Of a traced network: the first in which Resize has antialias, which preprocessing inside a graph needs."""

_FATAL_ONLY = 4
"""ONNX Runtime's severity at which it does not report what is about to be caught."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Torch and ONNX Runtime on the same random images."""

    largest_difference: float
    spread: float


def compile_network(network: WithEmbedding, shape: tuple[int, int, int], file: Path) -> Comparison:
    """Write `network` as ONNX: images (N, C, H, W) -> logits (N, K), embedding (N, D), for any N.

    Args:
        network: in evaluation mode, on the CPU.
        shape: (C, H, W) of its input.
        file: to write; left out if this fails.

    Raises:
        CompileError: the exporter cannot express it, or the result answers differently.
    """
    weight_bytes = sum(tensor.nbytes for tensor in network.state_dict().values())
    if weight_bytes > _GRAPH_LIMIT:
        raise CompileError(f"its {weight_bytes / 1e9:.1f} GB of weights are more than one ONNX file can hold")
    with contextlib.suppress(CompileError):
        return _export_and_compare(_trace, network, shape, file)
    return _export_and_compare(_export, network, shape, file)


def _export_and_compare(
    export: Callable[[WithEmbedding, tuple[int, int, int], Path], None],
    network: WithEmbedding,
    shape: tuple[int, int, int],
    file: Path,
) -> Comparison:
    """Write the file in one of the two ways; one that answers differently is deleted."""
    try:
        export(network, shape, file)
        return compare(network, shape, file)
    except CnncliError:
        file.unlink(missing_ok=True)
        raise


def _trace(network: WithEmbedding, shape: tuple[int, int, int], file: Path) -> None:
    """Write what torch does to one batch, with constants folded and the number of images left open.

    Raises:
        CompileError: the steps depend on the images or on their number.
    """
    images = torch.zeros(_EXPORT_BATCH, *shape)
    try:
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            traced = Path(folder, "traced.onnx")
            with _silence_exporter(), torch.inference_mode(mode=False), torch.no_grad():
                # A value that becomes a Python number is the same ever after, whatever the next images are.
                warnings.simplefilter("error", torch.jit.TracerWarning)  # type: ignore[attr-defined]
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
        session = onnxruntime.InferenceSession(file, _options(), providers=["CPUExecutionProvider"])
        session.run(_OUTPUTS, {"images": np.zeros((_PROOF_BATCH, *shape), np.float32)})
    except (ModuleNotFoundError, MemoryError):  # no fault of the network
        raise
    except Exception as error:  # the tracer and ONNX Runtime fail in as many ways as there are operators
        raise CompileError(f"torch cannot trace it: {_root_cause(error)}") from error


def _fold_constants(traced: Path) -> "ModelProto":
    """The same network without steps whose result is always the same, such as the sizes of maps."""
    import onnx

    folded = traced.with_name("folded.onnx")
    options = _options()
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    )  # for any processor
    options.optimized_model_filepath = str(folded)
    onnxruntime.InferenceSession(traced, options, providers=["CPUExecutionProvider"])
    model = onnx.load(folded)
    if any(node.domain for node in model.graph.node):
        raise CompileError("ONNX Runtime put operations of its own into it")
    own = [item for item in model.opset_import if not item.domain]
    del model.opset_import[:]
    model.opset_import.extend(own)
    return model


def _open_batch_axis(model: "ModelProto", file: Path) -> None:
    """Write a network that was traced for one number of images as one for any; running it shows whether it is."""
    import onnx

    del model.graph.value_info[:]  # sizes of everything in between, for that one number
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(model, file)


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    return options


def _export(network: WithEmbedding, shape: tuple[int, int, int], file: Path) -> None:
    """Write it for any number of images, by torch.export.

    Raises:
        CompileError: torch cannot express it.
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
            _without_traces(program)
            program.save(file)
    except (ModuleNotFoundError, OSError, MemoryError):  # no fault of the network
        raise
    except Exception as error:  # the exporter fails in as many ways as torch has operators
        raise CompileError(f"torch cannot export it: {_root_cause(error)}") from error


def _without_traces(program: torch.onnx.ONNXProgram) -> None:
    """Drop what the exporter notes of where each operation came from: paths of this machine, in a file to be given away."""
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    program.model.metadata_props.clear()
    program.model.graph.metadata_props.clear()


def compare(network: WithEmbedding, shape: tuple[int, int, int], file: Path) -> Comparison:
    """Run both on the same random images.

    Raises:
        CompileError: a logit differs by more than `TOLERANCE` of the logits' spread.
    """
    found = difference(network, shape, file)
    if not found.largest_difference <= TOLERANCE * found.spread:
        raise CompileError(
            f"the compiled network's logits differ by {found.largest_difference:.2g} on a spread of {found.spread:.2g}"
        )
    return found


def difference(network: WithEmbedding, shape: tuple[int, int, int], file: Path) -> Comparison:
    """Likewise, whatever comes of it.

    Raises:
        CompileError: the compiled network does not run, or does not even give as many logits.
    """
    images = torch.randn(_PROOF_BATCH, *shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(images)[0].numpy()
    try:
        found = OnnxEngine(file).run(images.numpy()).logits
    except CnncliError:
        raise
    except Exception as error:  # ONNX Runtime's exceptions share no base class but this
        raise CompileError(f"the compiled network does not run: {_root_cause(error)}") from error
    if found.shape != expected.shape:
        raise CompileError(f"the compiled network answers with {found.shape} instead of {expected.shape}")
    return Comparison(float(abs(found - expected).max()), float(expected.max() - expected.min()))


def _root_cause(error: BaseException) -> str:
    """The first line of what went wrong first; the exporter wraps it in a report of its own."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextlib.contextmanager
def _silence_exporter() -> Iterator[None]:
    """Suppress what torch's exporter writes for its own developers: warnings, log lines, stdout."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            if not os.environ.get("CNNCLI_DEBUG"):
                warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
