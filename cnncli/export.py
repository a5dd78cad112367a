"""What `cnncli export` does: a network in one ONNX file, in fewer bits if wished for, and the proof that it answers alike."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from PIL import Image

from cnncli.data import layout
from cnncli.engines import exported, shrinking
from cnncli.engines.engine import usable_cores
from cnncli.engines.onnx import OnnxEngine
from cnncli.errors import CnncliError, DataError, ModelFolderError, NotANumberError, OutputError, UsageError
from cnncli.evaluation import classes, selection
from cnncli.files.place import require_free
from cnncli.images.decode import Decoding, decode
from cnncli.images.loader import Reader, batches
from cnncli.images.preprocess import Pixels, preprocess
from cnncli.images.sources import ImageInput, image_source, walk
from cnncli.logits import probabilities
from cnncli.networks import pocket
from cnncli.networks.dependencies import explain_missing_packages
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.packaged import PACKAGED
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.exporting import Cost, Exported, Input, Quantize
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import Progress
from cnncli.text import counted

_CALIBRATED = 200
"""Images that ranges are taken from, at most: more hardly change them."""

_FEW = 50
"""Images from which ranges are hardly known."""

_AGREEING = 0.9
"""Share of the images below which an export answers otherwise than one would think."""

_CHECKED = ((97, 131), (480, 320))
"""(height, width) of images that the file is checked with where none is given: noise, and soft waves."""


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What is asked for.

    Attributes:
        output: the file.
        input: what it takes in.
        half: float16.
        quantize: int8.
        calibration: images of the kind that the network is for, labelled or not; needed for int8.
        check: images on which its answers are compared with those of `predict`.
        license: of the weights.
        overwrite: the file may already exist.
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
            raise UsageError(f"{self.output} is to be an ONNX file", "let its name end in .onnx")
        if self.half and self.quantize:
            raise UsageError("--half and --quantize contradict each other", "leave one of them out")
        if self.quantize and not self.calibration:
            raise UsageError(
                "--quantize needs images to take the ranges of activations from",
                "--calibrate FOLDER, with some hundred images of the kind that it will see",
            )
        if self.calibration and not self.quantize:
            raise UsageError("--calibrate has no effect without --quantize int8")


def export(folder: ModelFolder, settings: ExportSettings, progress: Progress) -> Exported:
    """Write a network as one ONNX file that needs nothing but ONNX Runtime.

    Args:
        folder: the network.
        settings: what is asked for.
        progress: hears what takes time.

    Raises:
        CnncliError: it cannot be expressed in ONNX, the images cannot be read, or the file cannot be written.
    """
    require_free(settings.output, overwrite=settings.overwrite)
    with explain_missing_packages(f"exporting {folder.card.name}"):
        return _exported(folder, settings, progress)


def _exported(folder: ModelFolder, settings: ExportSettings, progress: Progress) -> Exported:
    network = exported.load(folder)
    former = network.ByteSize()
    images = _calibration(settings.calibration, folder) if settings.calibration else None
    license_ = settings.license or exported.license_of(network) or _license(folder)
    try:
        with tempfile.TemporaryDirectory() as place:  # nothing is written that was not tried
            if settings.half:
                progress.notice("converting to float16")
                network = shrinking.halved(network)
            elif images:
                progress.notice(
                    f"converting to int8, with the ranges of {counted(len(images.shown), 'image')}"
                )
                if len(images.shown) < _FEW:
                    progress.warning(
                        f"{counted(len(images.shown), 'image')} to take ranges from, which is little: some hundred are better"
                    )
                network = shrinking.quantized(network, _pixels(folder, images.shown))
            with_preprocessing = settings.input is Input.UINT8
            packed = exported.pack(network, folder.card, license_, with_preprocessing=with_preprocessing)
            trial = Path(place) / f"trial{exported.ENDING}"
            exported.save(packed, trial)
            exported.require_sound(trial)
            found = _compared(trial, folder, settings)
            cost = _cost(trial, folder, images.asked) if images else None
    except OSError as error:
        raise OutputError(
            f"cannot write to {tempfile.gettempdir()}: {error.strerror or error}",
            "TMPDIR names another place",
        ) from error
    try:
        exported.save(packed, settings.output)
    except OSError as error:
        raise OutputError(f"cannot write {settings.output}: {error.strerror or error}") from error
    result = Exported(
        settings.output,
        settings.output.stat().st_size,
        former,
        len(found),
        found.difference,
        found.agreeing,
        cost,
        license_,
    )
    _say_what_may_surprise(result, progress)
    return result


def _say_what_may_surprise(result: Exported, progress: Progress) -> None:
    # What was measured on many images says more than the few with which every file is tried.
    share, images = (
        (result.cost.agreeing, result.cost.images) if result.cost else (result.agreeing, result.checked)
    )
    if share < _AGREEING:
        progress.warning(
            f"only {100 * share:.1f} % of {counted(images, 'image')} get the class that predict gives them"
        )


def _license(folder: ModelFolder) -> str | None:
    """That of pocket, of packaged weights, and of timm's published weights, as timm has it."""
    if pocket.is_at(folder.path):
        return pocket.LICENSE
    origin = folder.card.weights_origin
    if weights := next((weights for weights in PACKAGED if weights.package in origin), None):
        return weights.license
    _, is_published, name = origin.partition(" as published for ")
    if folder.card.architecture.library != "timm" or not is_published:
        return None
    from timm.models import get_pretrained_cfg

    found = get_pretrained_cfg(name)
    return str(found.license) if found and found.license else None


# ---- images


@dataclass(frozen=True, slots=True)
class _Images:
    """Images of the kind that the network is for.

    Attributes:
        shown: paths of those that ranges are taken from.
        asked: others, on which the cost is measured, and their classes where they have any.
    """

    shown: tuple[ImageSource, ...]
    asked: tuple[tuple[ImageSource, str | None], ...]


def _calibration(data: Path, folder: ModelFolder) -> _Images:
    """Ranges are taken from images to learn from and the cost from others, where data or run tell them apart; else each from half."""
    try:
        found = layout.read(data)
    except DataError:
        walked = walk(str(data)) if data.is_dir() else ()
        held: set[str] = set()
        labelled: list[tuple[ImageSource, str | None]] = [
            (source, None) for source in walked if not isinstance(source, Unreadable)
        ]
    else:
        chosen = selection.select_samples(found, None, [folder.path])
        held = {item.path for item in chosen.samples} if chosen.split != selection.ALL else set()
        labelled = [(item.source, found.class_names[item.label]) for item in found.samples]
    if not labelled:
        raise DataError(f"there are no images in {data} to calibrate with")
    order = [labelled[index] for index in np.random.default_rng(0).permutation(len(labelled))]
    others = [item for item in order if item[0].path not in held]
    if held and others:
        shown, asked = others[:_CALIBRATED], [item for item in order if item[0].path in held]
    else:
        count = min(_CALIBRATED, max(len(order) // 2, 1))
        shown, asked = order[:count], order[count:] or order
    return _Images(tuple(source for source, _ in shown), tuple(asked))


def _pixels(folder: ModelFolder, sources: Sequence[ImageSource]) -> Iterator[NDArray[np.float32]]:
    """(C, H, W) of the images that can be read."""
    read = Reader(folder.card.preprocessing, MAX_PIXELS)
    for batch in batches(sources, read, batch_size=8, workers=usable_cores()):
        yield from batch.pixels


# ---- proof


class _Compared(list[tuple[float, bool]]):
    """For each image the largest difference of a probability from predict's, and whether both name the same class."""

    @property
    def difference(self) -> float:
        """Of any image, at most."""
        return max(difference for difference, _ in self)

    @property
    def agreeing(self) -> float:
        """Share of the images with the same class."""
        return float(np.mean([same for _, same in self]))


def _compared(file: Path, folder: ModelFolder, settings: ExportSettings) -> _Compared:
    """Beside what predict says of the same images."""
    session, engine = _session(file), OnnxEngine(_graph(folder))
    found = _Compared()
    for image, pixels in _shown(folder, settings.check):
        expected = probabilities(engine.run(pixels[None]).logits)
        values = np.asarray(image)
        planes = values[None] if values.ndim == 3 else values[None, :, :, None]  # noqa: PLR2004 - (H, W, C)
        feed = {"image": planes} if settings.input is Input.UINT8 else {"images": pixels[None]}
        (said,) = session.run(["probabilities"], feed)
        if not np.isfinite(said).all():
            raise NotANumberError(
                "the exported network answers with values that are no numbers", "leave out --half"
            )
        found.append((float(np.abs(said - expected).max()), bool(said.argmax() == expected.argmax())))
    return found


def _shown(folder: ModelFolder, paths: Sequence[Path]) -> Iterator[tuple[Image.Image, Pixels]]:
    """Images to compare with, whole and in the network's mode; and their pixels (C, H, W), as predict reads them."""
    how = folder.card.preprocessing
    read, count = Reader(how, MAX_PIXELS), 0
    for path in paths:
        for source in walk(str(path)) if path.is_dir() else [image_source(str(path))]:
            found = _both(source, read)
            if isinstance(found, Unreadable) and not path.is_dir():
                raise DataError(f"{path} cannot be read: {found.reason}")
            if not isinstance(found, Unreadable):
                count += 1
                yield found
    if paths and not count:
        raise DataError(f"there are no images in {paths[0]} to compare with")
    if not paths:
        for number, (height, width) in enumerate(_CHECKED):
            image = _drawn(number, height, width, how.channels)
            yield image, preprocess(image, how)


def _both(source: ImageInput, read: Reader) -> tuple[Image.Image, Pixels] | Unreadable:
    if isinstance(source, Unreadable):
        return source
    pixels = read(source)
    if isinstance(pixels, Unreadable):
        return pixels
    image = decode(source, Decoding(read.preprocessing.channels, MAX_PIXELS))
    return image if isinstance(image, Unreadable) else (image, pixels)


def _drawn(number: int, height: int, width: int, channels: int) -> Image.Image:
    draws = np.random.default_rng(number)
    if number:
        rows, columns = np.mgrid[:height, :width]
        waves = [np.sin(rows / (17 + 5 * c)) * np.cos(columns / (29 - 4 * c)) for c in range(channels)]
        values = (127.5 * (1 + np.stack(waves, axis=-1))).astype(np.uint8)
    else:
        values = draws.integers(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(values if channels > 1 else values[:, :, 0])


def _cost(file: Path, folder: ModelFolder, calibration: Sequence[tuple[ImageSource, str | None]]) -> Cost:
    """What the compiled network and the exported one say of the same images."""
    names = sorted({label for _, label in calibration if label is not None})
    places: dict[str | None, int] = {}
    try:
        match = classes.match_classes(names, range(len(names)), folder.card, None, subset=False)
        places = dict(zip(names, match.indices, strict=True)) if names else {}
    except CnncliError:  # labelled, but not with the network's classes
        places = {}
    with tempfile.TemporaryDirectory() as place:
        exported.unpack(file, Path(place))
        engines = [OnnxEngine(_graph(folder)), OnnxEngine(Path(place) / "model.onnx")]
        read = Reader(folder.card.preprocessing, MAX_PIXELS)
        sources = (source for source, _ in calibration)
        labels = iter(calibration)
        seen, same, right = 0, 0, np.zeros(2)
        for batch in batches(sources, read, batch_size=8, workers=usable_cores()):
            known = [next(labels)[1] for _ in batch.entries]
            kept = [
                label
                for label, entry in zip(known, batch.entries, strict=True)
                if not isinstance(entry, Unreadable)
            ]
            if not kept:
                continue
            said = [engine.run(batch.pixels).logits.argmax(axis=1) for engine in engines]
            seen += len(kept)
            same += int((said[0] == said[1]).sum())
            truth = np.array([places.get(label, -1) for label in kept])
            right += [(one == truth).sum() for one in said]
    if not seen:
        raise DataError("none of the images to calibrate with can be read")
    before, after = (float(count) / seen if places else None for count in right)
    return Cost(seen, same / seen, before, after)


def _graph(folder: ModelFolder) -> Path:
    if folder.graph is None:
        raise ModelFolderError(f"{folder.path} has no compiled network")
    return folder.graph


def _session(file: Path) -> InferenceSession:
    try:
        return InferenceSession(file, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base class but this
        raise ModelFolderError(
            f"ONNX Runtime does not run the exported network: {' '.join(str(error).split())}"
        ) from error
