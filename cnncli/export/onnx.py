"""Networks as one ONNX file, optionally in fewer bits."""

from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.engines import exported, shrinking
from cnncli.errors import ModelFolderError
from cnncli.export.calibration import read_pixels
from cnncli.export.targets import Runner, WriteRequest
from cnncli.images.preprocess import Pixels
from cnncli.records.exporting import Input
from cnncli.text import counted

if TYPE_CHECKING:
    from onnx import ModelProto

    from cnncli.inference import Values

_FEW_IMAGES = 50
"""Number of images below which the ranges of activations are unreliable."""


def write(request: WriteRequest) -> None:
    """Write a network as one ONNX file.

    Raises:
        CompileError: it cannot be expressed in ONNX.
        ModelFolderError: it cannot be read.
    """
    network = exported.load(request.folder)
    exported.save(pack(request, _convert(network, request)), request.file, overwrite=False)
    exported.require_valid(request.file)


def pack(request: WriteRequest, network: "ModelProto") -> "ModelProto":
    """A compiled network with preprocessing, unless its input is preprocessed, with probabilities and metadata."""
    with_preprocessing = request.settings.input is Input.UINT8
    return exported.pack(network, request.folder.card, request.license, with_preprocessing=with_preprocessing)


def _convert(network: "ModelProto", request: WriteRequest) -> "ModelProto":
    """The network in float16 or int8 if requested."""
    progress = request.progress
    if request.settings.half:
        progress.notice("converting to float16")
        return shrinking.convert_to_half(network)
    if not request.settings.quantize:
        return network
    count = counted(len(request.ranges), "image")
    progress.notice(f"converting to int8, with activation ranges from {count}")
    if len(request.ranges) < _FEW_IMAGES:
        progress.warning(f"activation ranges from only {count}: use a few hundred")
    return shrinking.quantize(network, read_pixels(request.folder, request.ranges))


def open_file(file: Path) -> Runner:
    """Open a file with ONNX Runtime.

    Raises:
        ModelFolderError: it cannot be run.
    """
    from onnxruntime import InferenceSession

    try:
        session = InferenceSession(file, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base class but this
        reason = " ".join(str(error).split())
        raise ModelFolderError(f"ONNX Runtime cannot run the exported network: {reason}") from error
    name = session.get_inputs()[0].name

    def run(images: Pixels) -> "Values":
        (probabilities,) = session.run(["probabilities"], {name: images})
        values: Values = probabilities
        return values

    return run
