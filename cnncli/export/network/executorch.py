"""Networks for ExecuTorch: FILE.pte, computed by XNNPACK on the processors of phones and computers, and FILE.json."""

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from cnncli.export.network.program import explain_conversion, export_program, write_facts
from cnncli.export.targets import Runner, WriteRequest
from cnncli.images.preprocess import Pixels

if TYPE_CHECKING:
    from cnncli.inference import Values


def write(request: WriteRequest) -> None:
    """Write a network for ExecuTorch.

    Raises:
        CompileError: ExecuTorch cannot express it.
    """
    with explain_conversion(request):
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        program = to_edge_transform_and_lower(
            export_program(request.folder), partitioner=[XnnpackPartitioner()]
        )
        request.file.write_bytes(program.to_executorch().buffer)
    write_facts(request)


def open_file(file: Path) -> Runner:
    """Open a file with ExecuTorch's runtime."""
    with contextlib.redirect_stderr(io.StringIO()):  # what it finds out about the processor
        from executorch.runtime import Runtime

        method = Runtime.get().load_program(file).load_method("forward")

    def run(images: Pixels) -> "Values":
        (probabilities,) = method.execute([torch.from_numpy(np.ascontiguousarray(images))])
        values: Values = probabilities.numpy().copy()
        return values

    return run
