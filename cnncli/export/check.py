"""Check that an exported file predicts the same as `cnncli predict`, and measure the loss in accuracy of quantizing."""

import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnncli.dataclass import frozen_dataclass
from cnncli.engines import exported
from cnncli.errors import CnncliError, DataError, NotANumberError
from cnncli.evaluation import classes
from cnncli.evaluation.tasks.scoring import predicted_answers
from cnncli.export.calibration import LabelledSource
from cnncli.export.targets import Runner
from cnncli.images.decode import Decoding, decode
from cnncli.images.in_memory import InMemory
from cnncli.images.preprocess import Pixels
from cnncli.images.sources import ImageInput, image_source, walk
from cnncli.inference import Session
from cnncli.logits import predicted_classes
from cnncli.networks.model_folder import ModelFolder, seal
from cnncli.records.defaults import MAX_PIXELS
from cnncli.records.engines import EngineName, EngineOptions, InferenceOptions
from cnncli.records.exporting import Input, QuantizationCost
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import Progress
from cnncli.records.tasks import Task

_ONNX = EngineOptions(EngineName.ONNX)

_GENERATED_SIZES = ((97, 131), (480, 320))
"""(height, width) in pixels of the images that are used if the user names none: noise, and smooth waves."""


@frozen_dataclass
class CheckResult:
    """How far an exported file agrees with predict.

    Attributes:
        images: number of images compared.
        max_difference: largest difference of any probability.
        agreement: share of the images with the same top-1 class; with tasks, with the same answers to all of them.
    """

    images: int
    max_difference: float
    agreement: float


def check_predictions(
    run: Runner, folder: ModelFolder, input_: Input, paths: Sequence[Path], progress: Progress
) -> CheckResult:
    """Compare an exported file with predict, image by image.

    Args:
        run: runs the exported file.
        folder: the network it was exported from.
        input_: kind of the file's input.
        paths: images or folders of images; generated ones are used where there are none.
        progress: reports if torch runs a network because it could not be compiled.

    Raises:
        DataError: an image that the user named cannot be read, or there are none.
        NotANumberError: the file's probabilities contain NaN.
    """
    session = Session(folder, InferenceOptions(_ONNX, batch_size=1), progress)
    image_paths = {str(path) for path in paths if not path.is_dir()}
    differences, agreements = [], []
    for output in session.probabilities(_check_inputs(paths, folder.card.preprocessing.channels)):
        if isinstance(output, Unreadable):
            if output.path in image_paths:
                raise DataError(f"{output.path} cannot be read: {output.reason}")
            continue
        feed = _feed(output.source, session, input_)
        if feed is None:
            continue
        probabilities = run(feed)
        if not np.isfinite(probabilities).all():
            raise NotANumberError("the exported network's output contains NaN", "leave out --half")
        differences.append(float(np.abs(probabilities - output.values).max()))
        agreements.append(_is_same_answer(probabilities[0], output.values, folder.card.tasks))
    if not differences:
        raise DataError(f"there are no images in {paths[0]} to compare with")
    return CheckResult(len(differences), max(differences), float(np.mean(agreements)))


def _is_same_answer(shares: NDArray[np.float32], others: NDArray[np.float32], tasks: Sequence[Task]) -> bool:
    """Whether two probabilities (K,) of the same image mean the same."""
    if not tasks:
        return bool(predicted_classes(shares) == predicted_classes(others))
    one, other = predicted_answers(np.stack([shares, others]), tasks)
    return bool((one == other).all())


def _feed(source: ImageSource, session: Session, input_: Input) -> Pixels | None:
    """An image as the exported file takes it; None if it cannot be read at its full size."""
    if input_ is Input.FLOAT:
        pixels = session.reader(source)
        return None if isinstance(pixels, Unreadable) else pixels[None]
    image = decode(source, Decoding(session.reader.preprocessing.channels, MAX_PIXELS))
    if isinstance(image, Unreadable):
        return None
    values = np.asarray(image)
    return values[None] if values.ndim == 3 else values[None, :, :, None]  # noqa: PLR2004 - (H, W, C)


def _check_inputs(paths: Sequence[Path], channels: int) -> Iterator[ImageInput]:
    for path in paths:
        yield from walk(str(path)) if path.is_dir() else [image_source(str(path))]
    if not paths:
        for number, (height, width) in enumerate(_GENERATED_SIZES):
            content = io.BytesIO()
            _generate_image(number, height, width, channels).save(content, "PNG")
            yield InMemory(f"generated {number}", content.getvalue())


def _generate_image(number: int, height: int, width: int, channels: int) -> Image.Image:
    if number:
        rows, columns = np.mgrid[:height, :width]
        waves = [np.sin(rows / (17 + 5 * c)) * np.cos(columns / (29 - 4 * c)) for c in range(channels)]
        values = (127.5 * (1 + np.stack(waves, axis=-1))).astype(np.uint8)
    else:
        values = np.random.default_rng(number).integers(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(values if channels > 1 else values[:, :, 0])


def measure_cost(
    file: Path, folder: ModelFolder, images: Sequence[LabelledSource], progress: Progress
) -> QuantizationCost:
    """Compare the predictions of the quantized file and the original network.

    Args:
        file: the exported file.
        folder: the network it was exported from.
        images: none of which was used to measure ranges.
        progress: reports if torch runs a network because it could not be compiled.

    Raises:
        DataError: no image can be read.
    """
    indices = _label_indices(images, folder)
    with tempfile.TemporaryDirectory() as draft:
        quantized = seal(Path(draft), exported.unpack(file, Path(draft)))
        streams = [
            Session(network, InferenceOptions(_ONNX), progress).probabilities(
                image.source for image in images
            )
            for network in (folder, quantized)
        ]
        predicted = [
            (
                _is_same_answer(before.values, after.values, folder.card.tasks),
                predicted_classes(before.values) == indices.get(image.label),
                predicted_classes(after.values) == indices.get(image.label),
            )
            for image, before, after in zip(images, *streams, strict=True)
            if not isinstance(before, Unreadable) and not isinstance(after, Unreadable)
        ]
    if not predicted:
        raise DataError("none of the images to calibrate with can be read")
    agreement, before, after = map(float, np.mean(predicted, axis=0))
    return QuantizationCost(
        len(predicted), agreement, before if indices else None, after if indices else None
    )


def _label_indices(images: Sequence[LabelledSource], folder: ModelFolder) -> dict[str | None, int]:
    """The network's class index of each label; empty where the labels are not the network's classes, or it has tasks."""
    names = sorted({image.label for image in images if image.label is not None})
    if not names or folder.card.tasks:
        return {}
    try:
        match = classes.match_classes(names, range(len(names)), folder.card, None, subset=False)
    except CnncliError:
        return {}
    return dict(zip(names, match.indices, strict=True))
