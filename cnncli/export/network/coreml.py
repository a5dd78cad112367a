"""Networks for Core ML: FILE.mlpackage, a folder. Its runtime exists on macOS only."""

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.export.facts import facts_of
from cnncli.export.network.program import explain_conversion, export_program
from cnncli.export.targets import Runner, WriteRequest
from cnncli.images.preprocess import Pixels

if TYPE_CHECKING:
    from cnncli.inference import Values


def write(request: WriteRequest) -> None:
    """Write a network for Core ML.

    Raises:
        CompileError: Core ML cannot express it.
    """
    steps = request.folder.card.preprocessing
    with explain_conversion(request):
        import coremltools

        precision = coremltools.precision.FLOAT16 if request.settings.half else coremltools.precision.FLOAT32
        shape = (1, steps.channels, *steps.size)
        model = coremltools.convert(
            export_program(request.folder).run_decompositions({}),
            convert_to="mlprogram",
            inputs=[coremltools.TensorType(name="images", shape=shape)],
            outputs=[coremltools.TensorType(name="probabilities")],
            compute_precision=precision,
            skip_model_load=True,
        )
        for name, value in facts_of(request.folder, request.license).items():
            model.user_defined_metadata[name] = value if isinstance(value, str) else json.dumps(value)
        model.save(str(request.file))


def open_file(file: Path) -> Runner | None:
    """Open a file with Core ML; None where the system is not macOS."""
    if platform.system() != "Darwin":
        return None
    import coremltools

    model = coremltools.models.MLModel(str(file))

    def run(images: Pixels) -> "Values":
        values: Values = model.predict({"images": images})["probabilities"]
        return values

    return run
