"""`cnncli export`: a network as a file for another runtime, compared with predict before it gets its name."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cnncli.engines import exported
from cnncli.errors import CnncliError, OutputError
from cnncli.export.calibration import select_images
from cnncli.export.check import check_predictions, measure_cost
from cnncli.export.settings import ExportSettings
from cnncli.export.targets import WriteRequest
from cnncli.files.output_path import require_free
from cnncli.files.whole import rename, replace, whole_file, whole_folder
from cnncli.networks import pocket
from cnncli.networks.dependencies import explain_missing_packages
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.packaged import PACKAGED
from cnncli.records.exporting import ExportResult
from cnncli.records.progress import Progress
from cnncli.text import counted, percent

_LOW_AGREEMENT = 0.9
"""Share of images with the same class below which an export is suspicious."""


def require_possible(settings: ExportSettings) -> None:
    """Raise an error for what can be known before the network is opened.

    Raises:
        MissingPackageError: the package for the target is not installed.
        OutputError: a file cannot be written, or exists and must not be replaced.
    """
    settings.spec.require_installed()
    for file in settings.spec.files(settings.output):
        if settings.spec.ending == ".mlpackage" and file.is_dir() and settings.overwrite:
            continue
        require_free(file, overwrite=settings.overwrite)


def export_network(folder: ModelFolder, settings: ExportSettings, progress: Progress) -> ExportResult:
    """Write a network as a file that needs nothing but its runtime.

    Args:
        folder: the network.
        settings: what to export, and how.
        progress: reports what takes time, and anything unexpected.

    Raises:
        CnncliError: the runtime cannot express it, the images cannot be read, or the file cannot be written.
    """
    require_possible(settings)
    spec = settings.spec
    with explain_missing_packages(f"exporting {folder.card.name}"), _temporary_folder() as draft:
        license_ = settings.license or _find_license(folder)
        images = select_images(settings.calibration, folder) if settings.calibration else None
        trial = draft / settings.output.name
        ranges = images.ranges if images else ()
        spec.writer.write(WriteRequest(folder, settings, license_, ranges, trial, progress))
        runner = spec.writer.open_file(trial)
        check = (
            check_predictions(runner, folder, settings.input, settings.check, progress) if runner else None
        )
        cost = measure_cost(trial, folder, images.held_out, progress) if images else None
        total = sum(_size(file) for file in spec.files(trial))
        for file in spec.files(trial):
            _install(file, settings.output.with_name(file.name), overwrite=settings.overwrite)
    main, *companions = reversed(list(spec.files(settings.output)))
    result = ExportResult(
        file=main,
        bytes=total,
        original_bytes=(folder.graph or folder.weights).stat().st_size,
        checked_images=check.images if check else 0,
        max_difference=check.max_difference if check else None,
        agreement=check.agreement if check else None,
        quantization=cost,
        license=license_,
        target=settings.target,
        companions=tuple(companions),
    )
    _warn_of_disagreement(result, "answers" if folder.card.tasks else "class", progress)
    return result


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder for files that are not checked yet, so that no file is written that does not work."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    except OSError as error:
        raise OutputError(
            f"cannot write to {tempfile.gettempdir()}: {error.strerror or error}",
            "set TMPDIR to another folder",
        ) from error


def _size(path: Path) -> int:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _install(trial: Path, file: Path, *, overwrite: bool) -> None:
    """Copy a checked file, or a folder such as an .mlpackage, to its place."""
    try:
        if trial.is_dir():
            with whole_folder(file, replace if overwrite else rename) as draft:
                shutil.copytree(trial, draft, dirs_exist_ok=True)
            return
        with whole_file(file, overwrite=overwrite) as draft:
            shutil.copyfile(trial, draft)
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror or error}") from error


def _warn_of_disagreement(result: ExportResult, answer: str, progress: Progress) -> None:
    # The many images of a calibration are better evidence than the few with which every file is checked.
    cost = result.quantization
    agreement, images = (cost.agreement, cost.images) if cost else (result.agreement, result.checked_images)
    if agreement is not None and agreement < _LOW_AGREEMENT:
        progress.warning(
            f"only {percent(agreement)} of {counted(images, 'image')} get the {answer} predict gives them"
        )


def _find_license(folder: ModelFolder) -> str | None:
    """The license of an exported file, of pocket, of packaged weights, or of timm's; None if unknown."""
    if folder.is_exported:
        with contextlib.suppress(CnncliError):  # whoever writes the file reports it
            return exported.license_of(exported.load(folder))
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
