"""The runtimes that a network can be exported for: one row each, and a module that writes and runs their files."""

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import MissingPackageError
from cnncli.records.exporting import Input, Target
from cnncli.text import install_command

if TYPE_CHECKING:
    from cnncli.export.settings import ExportSettings
    from cnncli.images.preprocess import Pixels
    from cnncli.inference import Values
    from cnncli.networks.model_folder import ModelFolder
    from cnncli.records.predictions import ImageSource
    from cnncli.records.progress import Progress

Runner = Callable[["Pixels"], "Values"]
"""Probabilities (N, K) of a file for its input: images (N, H, W, C) uint8, or preprocessed ones (N, C, H, W) float32."""


@frozen_dataclass
class WriteRequest:
    """What is written.

    Attributes:
        folder: the network.
        settings: how it is exported.
        license: license of the weights; None if unknown.
        ranges: images to measure the ranges of activations on; empty without quantizing.
        file: the file to write, in a temporary folder; what belongs to it lies beside it.
        progress: reports what takes time.
    """

    folder: "ModelFolder"
    settings: "ExportSettings"
    license: str | None
    ranges: "tuple[ImageSource, ...]"
    file: Path
    progress: "Progress"


class Writer(Protocol):
    """A module that writes and runs the files of a runtime."""

    def write(self, request: WriteRequest) -> None:
        """Write a network; CompileError if the runtime cannot express it."""

    def open_file(self, file: Path) -> Runner | None:
        """Open a file that `write` wrote; None where the runtime does not exist on this system."""


@frozen_dataclass
class TargetSpec:
    """A runtime.

    Attributes:
        title: its name in messages.
        ending: of its files.
        companion: ending of the file beside it that belongs to it; None for a single file.
        inputs: kinds of input that its files can have, the usual one first.
        has_half: whether it has float16 weights.
        has_int8: whether it has int8 arithmetic that this package makes.
        package: the package that is needed, as it is imported; None if it is always installed.
        extra: extra of cnncli that installs it.
        module: the module that writes and runs its files.
    """

    title: str
    ending: str
    companion: str | None
    inputs: tuple[Input, ...]
    has_half: bool
    has_int8: bool
    package: str | None
    extra: str | None
    module: str

    @property
    def writer(self) -> Writer:
        """The module that writes and runs its files."""
        module: Writer = importlib.import_module(self.module)
        return module

    def require_installed(self) -> None:
        """Raise unless its package is installed.

        Raises:
            MissingPackageError: it is not.
        """
        if self.package and importlib.util.find_spec(self.package) is None:
            raise MissingPackageError(
                f"exporting for {self.title} needs the package {self.package}, which is not installed",
                install_command(f"cnncli[{self.extra}]"),
            )

    def files(self, file: Path) -> Iterator[Path]:
        """A file, and the one that belongs to it."""
        if self.companion:
            yield file.with_suffix(self.companion)
        yield file


_BOTH, _PREPROCESSED = (Input.UINT8, Input.FLOAT), (Input.FLOAT,)

# fmt: off
TARGETS = {
    Target.ONNX: TargetSpec(
        "ONNX Runtime", ".onnx", None, _BOTH, True, True, None, None, "cnncli.export.onnx"),
    Target.OPENVINO: TargetSpec(
        "OpenVINO", ".xml", ".bin", _BOTH, True, False, "openvino", "openvino", "cnncli.export.openvino"),
    Target.LITERT: TargetSpec(
        "LiteRT", ".tflite", ".json", _PREPROCESSED, False, False, "litert_torch", "litert", "cnncli.export.network.litert"),
    Target.EXECUTORCH: TargetSpec(
        "ExecuTorch", ".pte", ".json", _PREPROCESSED, False, False, "executorch", "executorch", "cnncli.export.network.executorch"),
    Target.COREML: TargetSpec(
        "Core ML", ".mlpackage", None, _PREPROCESSED, True, False, "coremltools", "coreml", "cnncli.export.network.coreml"),
}
# fmt: on
"""Every runtime; a new one is a row here, a member of `Target`, and a module."""
