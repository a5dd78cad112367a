"""`cnncli export`: write a network as one ONNX file, optionally in fewer bits, and check it against predict."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.engines import exported, shrinking
from cnncli.errors import OutputError, UsageError
from cnncli.export.calibration import CalibrationImages, read_pixels, select_images
from cnncli.export.check import CheckResult, check_predictions, measure_cost
from cnncli.files.output_path import require_free
from cnncli.networks import pocket
from cnncli.networks.dependencies import explain_missing_packages
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.packaged import PACKAGED
from cnncli.records.exporting import ExportResult, Input, QuantizationCost, Quantize
from cnncli.records.progress import Progress
from cnncli.text import counted, percent

if TYPE_CHECKING:
    from onnx import ModelProto

_FEW_IMAGES = 50
"""Number of images below which the ranges of activations are unreliable."""

_LOW_AGREEMENT = 0.9
"""Share of images with the same class below which an export is suspicious."""


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What to export, and how.

    Attributes:
        output: the file to write.
        input: kind of its input.
        half: whether to convert to float16.
        quantize: integer type to convert to; None for no conversion.
        calibration: images that are typical of the network's use, labelled or not; needed for int8.
        check: images or folders on which the file is compared with `predict`.
        license: license of the weights.
        overwrite: whether an existing file may be replaced.
    """

    output: Path
    input: Input = Input.UINT8
    half: bool = False
    quantize: Quantize | None = None
    calibration: Path | None = None
    check: tuple[Path, ...] = ()
    license: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.output.suffix.lower() != exported.ENDING:
            raise UsageError(f"{self.output} does not end in .onnx", "choose a name that does")
        if self.half and self.quantize:
            raise UsageError("--half and --quantize exclude each other", "leave one of them out")
        if self.quantize and not self.calibration:
            raise UsageError(
                "--quantize needs images to measure the ranges of activations on",
                "add --calibrate FOLDER with a few hundred typical images",
            )
        if self.calibration and not self.quantize:
            raise UsageError("--calibrate has no effect without --quantize int8")


def export_onnx(folder: ModelFolder, settings: ExportSettings, progress: Progress) -> ExportResult:
    """Write a network as one ONNX file that needs nothing but ONNX Runtime.

    Args:
        folder: the network.
        settings: what to export, and how.
        progress: reports what takes time, and anything unexpected.

    Raises:
        CnncliError: it cannot be expressed in ONNX, the images cannot be read, or the file cannot be written.
    """
    require_free(settings.output, overwrite=settings.overwrite)
    with explain_missing_packages(f"exporting {folder.card.name}"):
        network = exported.load(folder)
        original_bytes = network.ByteSize()
        license_ = settings.license or exported.license_of(network) or _find_license(folder)
        images = select_images(settings.calibration, folder) if settings.calibration else None
        network = _convert(network, folder, settings, images, progress)
        with_preprocessing = settings.input is Input.UINT8
        packed = exported.pack(network, folder.card, license_, with_preprocessing=with_preprocessing)
        check, cost = _check(packed, folder, settings, images, progress)
        _save(packed, settings.output, overwrite=settings.overwrite)
    result = ExportResult(
        file=settings.output,
        bytes=settings.output.stat().st_size,
        original_bytes=original_bytes,
        checked_images=check.images,
        max_difference=check.max_difference,
        agreement=check.agreement,
        quantization=cost,
        license=license_,
    )
    _warn_of_disagreement(result, "answers" if folder.card.tasks else "class", progress)
    return result


def _convert(
    network: "ModelProto",
    folder: ModelFolder,
    settings: ExportSettings,
    images: CalibrationImages | None,
    progress: Progress,
) -> "ModelProto":
    """The network in float16 or int8 if requested."""
    if settings.half:
        progress.notice("converting to float16")
        return shrinking.convert_to_half(network)
    if images is None:
        return network
    count = counted(len(images.ranges), "image")
    progress.notice(f"converting to int8, with activation ranges from {count}")
    if len(images.ranges) < _FEW_IMAGES:
        progress.warning(f"activation ranges from only {count}: use a few hundred")
    with _explain_full_disk():
        return shrinking.quantize(network, read_pixels(folder, images.ranges))


def _check(
    packed: "ModelProto",
    folder: ModelFolder,
    settings: ExportSettings,
    images: CalibrationImages | None,
    progress: Progress,
) -> tuple[CheckResult, QuantizationCost | None]:
    """Check a temporary file, so that no file is written that does not work."""
    with _explain_full_disk(), tempfile.TemporaryDirectory() as temporary_folder:
        trial = Path(temporary_folder) / f"trial{exported.ENDING}"
        exported.save(packed, trial, overwrite=False)
        exported.require_valid(trial)
        check = check_predictions(trial, folder, settings.input, settings.check, progress)
        cost = measure_cost(trial, folder, images.held_out, progress) if images else None
    return check, cost


@contextlib.contextmanager
def _explain_full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write to {tempfile.gettempdir()}: {error.strerror or error}",
            "set TMPDIR to another folder",
        ) from error


def _save(packed: "ModelProto", file: Path, *, overwrite: bool) -> None:
    try:
        exported.save(packed, file, overwrite=overwrite)
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror or error}") from error


def _warn_of_disagreement(result: ExportResult, answer: str, progress: Progress) -> None:
    # The many images of a calibration are better evidence than the few with which every file is checked.
    cost = result.quantization
    agreement, images = (cost.agreement, cost.images) if cost else (result.agreement, result.checked_images)
    if agreement < _LOW_AGREEMENT:
        progress.warning(
            f"only {percent(agreement)} of {counted(images, 'image')} get the {answer} predict gives them"
        )


def _find_license(folder: ModelFolder) -> str | None:
    """The license of pocket, of packaged weights, or of timm's published weights; None if unknown."""
    if pocket.is_pocket_folder(folder.path):
        return pocket.LICENSE
    origin = folder.card.weights_origin
    if weights := next((weights for weights in PACKAGED if weights.package in origin), None):
        return weights.license
    _, is_published, name = origin.partition(" as published for ")
    if folder.card.architecture.library != "timm" or not is_published:
        return None
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    return str(config.license) if config and config.license else None
