"""Networks in OpenVINO's format: FILE.xml and FILE.bin.

OpenVINO's own reader of ONNX leaves out the antialiasing of Resize, which changes the probabilities of photographs by 0.1 and more.
Its resizing like Pillow's is put in its place. The file's `rt_info` has the class names and the preprocessing, in the section
`model_info` that OpenVINO's Model API reads.
"""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnncli.engines import exported
from cnncli.engines.openvino import load_openvino
from cnncli.engines.preprocessing import PREFIX
from cnncli.errors import CompileError
from cnncli.export.facts import facts_of
from cnncli.export.onnx import pack
from cnncli.export.targets import Runner, WriteRequest
from cnncli.images.preprocess import Pixels
from cnncli.records.networks import Interpolation

if TYPE_CHECKING:
    from cnncli.inference import Values

_FILTERS = {Interpolation.BILINEAR: "bilinear_pillow", Interpolation.BICUBIC: "bicubic_pillow"}
_PILLOWS_CUBIC = -0.5


def write(request: WriteRequest) -> None:
    """Write a network in OpenVINO's format.

    Raises:
        CompileError: OpenVINO cannot express it.
        ModelFolderError: it cannot be read.
    """
    openvino = load_openvino()
    packed = pack(request, exported.load(request.folder))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"network{exported.ENDING}"
        exported.save(packed, file, overwrite=False)
        try:
            model = openvino.convert_model(file)
            _resize_like_pillow(model, request.folder.card.preprocessing.interpolation)
            _describe(model, facts_of(request.folder, request.license))
            openvino.save_model(model, request.file, compress_to_fp16=request.settings.half)
        except RuntimeError as error:  # all that OpenVINO raises
            reason = " ".join(str(error).split())[:200]
            raise CompileError(f"OpenVINO cannot convert {request.folder.card.name}: {reason}") from error


def _resize_like_pillow(model: Any, interpolation: Interpolation) -> None:  # noqa: ANN401 - OpenVINO has no types
    operations = load_openvino().opset13
    for node in model.get_ops():
        if node.get_type_name() == "Interpolate" and node.get_friendly_name().startswith(PREFIX):
            image, sizes = (item.get_source_output() for item in node.inputs()[:2])
            height_and_width = operations.slice(sizes, [2], [4], [1])
            axes = np.array([2, 3], np.int64)
            like_pillow = operations.interpolate(
                image,
                height_and_width,
                _FILTERS[interpolation],
                "sizes",
                axes=axes,
                cube_coeff=_PILLOWS_CUBIC,
            )
            node.output(0).replace(like_pillow.output(0))
    model.validate_nodes_and_infer_types()


def _describe(model: Any, facts: dict[str, Any]) -> None:  # noqa: ANN401
    """Write class names and preprocessing into a model."""
    labels = " ".join(name.replace(" ", "_") for name in facts["class_names"])
    for name, value in {"model_type": "Classification", "labels": labels}.items():
        model.set_rt_info(value, ["model_info", name])
    for name, value in facts.items():
        model.set_rt_info(value if isinstance(value, str) else json.dumps(value), ["cnncli", name])


def open_file(file: Path) -> Runner:
    """Open a file with OpenVINO, in fp32 arithmetic."""
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    network = load_openvino().Core().compile_model(file, "CPU", settings)

    def run(images: Pixels) -> "Values":
        values: Values = np.array(network([images])["probabilities"])
        return values

    return run
