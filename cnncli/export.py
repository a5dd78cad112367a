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
from cnncli.errors import CnncliError, DataError, ModelFolderError, OutputError, UsageError
from cnncli.evaluation import classes
from cnncli.images.decode import MAX_PIXELS, Decoding, decode
from cnncli.images.loader import Reader, batches
from cnncli.images.preprocess import preprocess
from cnncli.images.sources import walk
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.exporting import Cost, Exported, Input, Quantize
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import Progress

_CALIBRATED = 200
"""Images that ranges are taken from, at most: more hardly change them."""

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
        overwrite: the file may be there already.
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
    _require_place(settings.output, overwrite=settings.overwrite)
    network = exported.load(folder)
    former = network.ByteSize()
    calibration = _calibration(settings.calibration) if settings.calibration else []
    if settings.half:
        progress.notice("converting to float16")
        network = shrinking.halved(network)
    elif settings.quantize:
        progress.notice(
            f"converting to int8, with the ranges of {min(len(calibration), _CALIBRATED):,} images"
        )
        network = shrinking.quantized(
            network, _pixels(folder, [path for path, _ in calibration[:_CALIBRATED]])
        )
    license_ = settings.license or _license(folder)
    packed = exported.pack(network, folder.card, license_, with_preprocessing=settings.input is Input.UINT8)
    with tempfile.TemporaryDirectory() as place:  # nothing is written that was not tried
        trial = Path(place) / f"trial{exported.ENDING}"
        exported.save(packed, trial)
        checked, difference, agreeing = _compared(trial, folder, settings)
        cost = _cost(trial, folder, calibration) if calibration else None
        try:
            exported.save(packed, settings.output)
        except OSError as error:
            raise OutputError(f"cannot write {settings.output}: {error.strerror or error}") from error
    return Exported(
        settings.output, settings.output.stat().st_size, former, checked, difference, agreeing, cost, license_
    )


def _require_place(file: Path, *, overwrite: bool) -> None:
    if file.exists() and not overwrite:
        raise OutputError(f"{file} is there already", "--overwrite replaces it")
    try:
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror}", "--output names another place") from error


def _license(folder: ModelFolder) -> str | None:
    """That of timm's published weights, as timm has it."""
    if folder.card.architecture.library != "timm" or "published" not in folder.card.weights_origin:
        return None
    from timm.models import get_pretrained_cfg

    found = get_pretrained_cfg(folder.card.name)
    return str(found.license) if found and found.license else None


# ---- images


def _calibration(data: Path) -> list[tuple[str, str | None]]:
    """Paths and, where the data is labelled, classes, in an order that takes from all classes alike."""
    try:
        found = layout.read(data)
    except DataError:
        paths = [source.path for source in walk(str(data)) if not isinstance(source, Unreadable)]
        if not paths:
            raise DataError(f"there are no images in {data} to calibrate with") from None
        return [(path, None) for path in paths]
    samples = [(sample.path, found.class_names[sample.label]) for sample in found.samples]
    order = np.random.default_rng(0).permutation(len(samples))
    return [samples[index] for index in order]


def _pixels(folder: ModelFolder, paths: Sequence[str]) -> Iterator[NDArray[np.float32]]:
    """(C, H, W) of the images that can be read."""
    read = Reader(folder.card.preprocessing, MAX_PIXELS)
    sources = (ImageSource(path) for path in paths)
    for batch in batches(sources, read, batch_size=8, workers=usable_cores()):
        yield from batch.pixels


# ---- proof


def _compared(file: Path, folder: ModelFolder, settings: ExportSettings) -> tuple[int, float, float]:
    """Images, the largest difference of a probability from predict's, and the share of them with the same class."""
    session = _session(file)
    engine = OnnxEngine(_graph(folder))
    how = folder.card.preprocessing
    differences, same = [], []
    for planes in _shown(folder, settings.check):
        pixels = preprocess(planes, how)[None]
        expected = engine.run(pixels).probabilities()
        values = np.asarray(planes)
        image = values[None] if values.ndim == 3 else values[None, :, :, None]  # noqa: PLR2004 - (H, W, C)
        feed = {"image": image} if settings.input is Input.UINT8 else {"images": pixels}
        (found,) = session.run(["probabilities"], feed)
        differences.append(float(np.abs(found - expected).max()))
        same.append(bool(found.argmax() == expected.argmax()))
    return len(differences), max(differences), float(np.mean(same))


def _shown(folder: ModelFolder, paths: Sequence[Path]) -> Iterator[Image.Image]:
    """Images to compare with, in the network's mode."""
    channels = folder.card.preprocessing.channels
    count = 0
    for path in paths:
        sources = walk(str(path)) if path.is_dir() else [ImageSource(str(path))]
        for source in sources:
            if isinstance(source, Unreadable):
                continue
            image = decode(source, Decoding(channels, MAX_PIXELS))
            if isinstance(image, Unreadable):
                if not path.is_dir():
                    raise DataError(f"{source.path} cannot be read: {image.reason}")
                continue
            count += 1
            yield image
    if paths and not count:
        raise DataError(f"there are no images in {paths[0]} to compare with")
    if not paths:
        for number, (height, width) in enumerate(_CHECKED):
            yield _drawn(number, height, width, channels)


def _drawn(number: int, height: int, width: int, channels: int) -> Image.Image:
    draws = np.random.default_rng(number)
    if number:
        rows, columns = np.mgrid[:height, :width]
        waves = [np.sin(rows / (17 + 5 * c)) * np.cos(columns / (29 - 4 * c)) for c in range(channels)]
        values = (127.5 * (1 + np.stack(waves, axis=-1))).astype(np.uint8)
    else:
        values = draws.integers(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(values if channels > 1 else values[:, :, 0])


def _cost(file: Path, folder: ModelFolder, calibration: Sequence[tuple[str, str | None]]) -> Cost:
    """What the compiled network and the exported one say of the same images."""
    names = sorted({label for _, label in calibration if label is not None})
    places: dict[str | None, int] = {}
    try:
        matched = classes.matched(names, range(len(names)), folder.card, None, subset=False)
        places = dict(zip(names, matched.places, strict=True)) if names else {}
    except CnncliError:  # labelled, but not with the network's classes
        places = {}
    with tempfile.TemporaryDirectory() as place:
        exported.unpack(file, Path(place))
        engines = [OnnxEngine(_graph(folder)), OnnxEngine(Path(place) / "model.onnx")]
        read = Reader(folder.card.preprocessing, MAX_PIXELS)
        sources = (ImageSource(path) for path, _ in calibration)
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
