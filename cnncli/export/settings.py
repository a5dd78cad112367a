"""The settings of an export, and what of them a runtime does not have."""

from pathlib import Path

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.export.targets import TARGETS, TargetSpec
from cnncli.records.exporting import Input, Quantize, Target


@frozen_dataclass
class ExportSettings:
    """What to export, and how.

    Attributes:
        output: the file to write.
        requested_target: the runtime that it is for; None for that of the file's ending.
        requested_input: kind of its input; None for the runtime's usual one.
        half: whether to convert to float16.
        quantize: integer type to convert to; None for no conversion.
        calibration: images that are typical of the network's use, labelled or not; needed for int8.
        check: images or folders on which the file is compared with `predict`.
        license: license of the weights.
        overwrite: whether an existing file may be replaced.
    """

    output: Path
    requested_target: Target | None = None
    requested_input: Input | None = None
    half: bool = False
    quantize: Quantize | None = None
    calibration: Path | None = None
    check: tuple[Path, ...] = ()
    license: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        self._require_supported()
        if self.half and self.quantize:
            raise UsageError("--half and --quantize exclude each other", "leave one of them out")
        if self.quantize and not self.calibration:
            raise UsageError(
                "--quantize needs images to measure the ranges of activations on",
                "add --calibrate FOLDER with a few hundred typical images",
            )
        if self.calibration and not self.quantize:
            raise UsageError("--calibrate has no effect without --quantize int8")

    def _require_supported(self) -> None:
        """Raise a UsageError for an ending or an option that the runtime does not have."""
        spec = self.spec
        if self.output.suffix.lower() != spec.ending:
            raise UsageError(f"{self.output} does not end in {spec.ending}", "choose a name that does")
        if self.half and not spec.has_half:
            raise UsageError(f"--half does not apply to {spec.title}", "leave it out: the file is in float32")
        if self.quantize and not spec.has_int8:
            raise UsageError(f"--quantize does not apply to {spec.title}", "leave it out, or export to ONNX")
        if self.input not in spec.inputs:
            raise UsageError(
                f"--input {self.input} does not apply to {spec.title}",
                "its files take preprocessed images; leave it out",
            )

    @property
    def target(self) -> Target:
        """The runtime: as requested, else that of the file's ending.

        Raises:
            UsageError: no runtime has files with this ending.
        """
        if self.requested_target:
            return self.requested_target
        suffix = self.output.suffix.lower()
        for target, spec in TARGETS.items():
            if spec.ending == suffix:
                return target
        endings = ", ".join(spec.ending for target, spec in TARGETS.items() if target is not Target.ONNX)
        raise UsageError(f"{self.output} does not end in .onnx", f"endings of other runtimes: {endings}")

    @property
    def spec(self) -> TargetSpec:
        """What the runtime can do."""
        return TARGETS[self.target]

    @property
    def input(self) -> Input:
        """Kind of the file's input."""
        return self.requested_input or self.spec.inputs[0]
