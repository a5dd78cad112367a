"""Networks for LiteRT, formerly TensorFlow Lite: FILE.tflite and FILE.json."""

from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.export.network.program import classifier, example_image, explain_conversion, write_facts
from cnncli.export.targets import Runner, WriteRequest
from cnncli.images.preprocess import Pixels

if TYPE_CHECKING:
    from cnncli.inference import Values


def write(request: WriteRequest) -> None:
    """Write a network for LiteRT.

    Raises:
        CompileError: LiteRT cannot express it.
    """
    with explain_conversion(request):
        import litert_torch

        network = litert_torch.convert(classifier(request.folder), (example_image(request.folder),))
        network.export(str(request.file))
    write_facts(request)


def open_file(file: Path) -> Runner:
    """Open a file with LiteRT's interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(images: Pixels) -> "Values":
        interpreter.set_tensor(source["index"], images)
        interpreter.invoke()
        values: Values = interpreter.get_tensor(target["index"])
        return values

    return run
