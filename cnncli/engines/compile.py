"""A torch network to model.onnx, and the proof that both answer alike."""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from cnncli.engines.onnx import OnnxEngine
from cnncli.errors import CnncliError, CompileError
from cnncli.networks.embedding import WithEmbedding

TOLERANCE = 1e-4
"""Largest difference of any logit, as a share of the logits' spread, at which a compiled network is trusted."""

_GRAPH_LIMIT = 2**31 - 1
"""Bytes of a Protocol Buffers file, and so of an ONNX file with its weights inside."""

_EXPORT_BATCH = 2
"""Images while tracing: more than one, or torch takes the batch axis for a constant."""

_PROOF_BATCH = 3
"""Images of the comparison: another number than while tracing, so that a fixed batch axis shows."""


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
    try:
        _export(network, shape, file)
        return compare(network, shape, file)
    except CnncliError:
        file.unlink(missing_ok=True)
        raise


def _export(network: WithEmbedding, shape: tuple[int, int, int], file: Path) -> None:
    images = torch.zeros(_EXPORT_BATCH, *shape)
    try:
        with _silenced(), torch.inference_mode(mode=False), torch.no_grad():
            program = torch.onnx.export(
                network,
                (images,),
                input_names=["images"],
                output_names=["logits", "embedding"],
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
        CompileError: they do not even give as many logits.
    """
    images = torch.randn(_PROOF_BATCH, *shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(images)[0].numpy()
    found = OnnxEngine(file).run(images.numpy()).logits
    if found.shape != expected.shape:
        raise CompileError(f"the compiled network answers with {found.shape} instead of {expected.shape}")
    return Comparison(float(abs(found - expected).max()), float(expected.max() - expected.min()))


def _root_cause(error: BaseException) -> str:
    """The first line of what went wrong first; the exporter wraps it in a report of its own."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """The exporter speaks to its own developers: in warnings, in log lines, on stdout."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            if not os.environ.get("CNNCLI_DEBUG"):
                warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
