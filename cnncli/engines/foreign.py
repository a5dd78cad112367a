"""ONNX files that other programs wrote, as model folders: what a file does not say, the user has to say."""

import ast
import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from cnncli.dataclass import frozen_dataclass
from cnncli.engines import foreign_graph
from cnncli.engines.foreign_file import ForeignNetwork, read
from cnncli.engines.foreign_graph import Scores
from cnncli.engines.onnx import OnnxEngine
from cnncli.errors import ModelFolderError, UsageError, WeightsError
from cnncli.networks import model_folder
from cnncli.networks.foreign import ForeignOptions, ResizeTo, ScoreKind
from cnncli.networks.labels import read_labels
from cnncli.networks.normalization import Normalization
from cnncli.networks.reference import Reference
from cnncli.networks.saved import GRAPH, PROCESSOR
from cnncli.records.networks import (
    Architecture,
    Compilation,
    Embedding,
    Interpolation,
    ModelCard,
    Preprocessing,
)
from cnncli.records.tasks import INDICATOR_TASK, AnswerKind, Task
from cnncli.text import quote

_CHECK_BATCH = 3
"""Images of the comparison."""

_THRESHOLD = 0.5

_ULTRALYTICS = "Ultralytics"


def convert(reference: Reference, folder: Path, notice: Callable[[str], None]) -> ModelCard:
    """Write the network of an ONNX file as model.onnx, and describe it.

    Args:
        reference: the file, with options for what it does not say.
        folder: the folder to write to.
        notice: reports what was assumed.

    Raises:
        ModelFolderError: the file cannot be used.
        UsageError: options are missing, or contradict the file.
        WeightsError: there are more or fewer labels than classes.
    """
    file = Path(reference.name).expanduser()
    network = read(file)
    size, options = _complete(reference, network, file)
    written = _write(network, size, file, folder, options.scores, notice)
    class_names = _class_names(reference, _names_inside(network.metadata), written.scores.classes, notice)
    kind = AnswerKind.SEVERAL if written.scores.ending == "Sigmoid" else AnswerKind.ONE
    return _card(file, written, _preprocessing(network, size, options), class_names, kind)


def convert_saved(
    reference: Reference, saved: Path, folder: Path, notice: Callable[[str], None]
) -> ModelCard:
    """As `convert`, for a folder that optimum wrote: its other files say what model.onnx does not."""
    from cnncli.networks.zoo import hub_repository  # needs torch and transformers, once

    offer = hub_repository.folder_offer(saved, reference.image_size)
    file, steps = saved / GRAPH, offer.preprocessing
    network = read(file, steps.channels)
    if network.size not in {None, steps.size} or network.channels != steps.channels:
        raise ModelFolderError(f"{file} does not take the images that its {PROCESSOR} prepares")
    reverses = bool(json.loads(offer.architecture.config or "{}").get("reverses_channels"))
    network = dataclasses.replace(network, reverses_channels=reverses)
    written = _write(network, steps.size, file, folder, ScoreKind.LOGITS, notice)
    class_names = _class_names(reference, offer.class_names, written.scores.classes, notice)
    return _card(file, written, steps, class_names, offer.kind)


@frozen_dataclass
class _Written:
    """What was written: where its scores come from, its comparison with the file, and the size of its embedding."""

    scores: Scores
    compilation: Compilation
    width: int


def _write(
    network: ForeignNetwork,
    size: tuple[int, int],
    file: Path,
    folder: Path,
    kind: ScoreKind | None,
    notice: Callable[[str], None],
) -> _Written:
    """Write model.onnx, and compare it with the file."""
    import onnx

    network = foreign_graph.raise_opset(network, size, file)
    scores = foreign_graph.find_scores(network, size, file)
    if not scores.is_certain and kind is None:
        raise UsageError(
            f"{file} does not say whether its scores are logits or probabilities",
            "add --scores logits, or --scores probabilities",
        )
    are_probabilities = not scores.is_certain and kind is ScoreKind.PROBABILITIES
    model = foreign_graph.rebuild(network, scores, size, are_probabilities=are_probabilities)
    onnx.save(model, folder / model_folder.GRAPH)
    images = np.random.default_rng(0).random((_CHECK_BATCH, network.channels, *size), np.float32)
    outputs = OnnxEngine(folder / model_folder.GRAPH).run(images)
    expected = foreign_graph.run_one_by_one(network, scores, images, file)
    if are_probabilities:
        expected = np.log(np.maximum(expected, np.finfo(np.float32).tiny))
    difference, spread = float(np.abs(outputs.logits - expected).max()), float(np.ptp(expected))
    if not difference <= foreign_graph.TOLERANCE * spread:
        raise ModelFolderError(f"{file} cannot be used: it gives other scores for several images at once")
    if scores.embedding is None:
        notice(f"{file} has no pooled layer before its scores: features, similar and finetune use the scores")
    return _Written(scores, Compilation(None, difference, spread), outputs.embeddings.shape[1])


def _card(
    file: Path, written: _Written, steps: Preprocessing, class_names: tuple[str, ...], kind: AnswerKind
) -> ModelCard:
    count = len(class_names)
    tasks = (Task(INDICATOR_TASK, class_names, AnswerKind.SEVERAL, (_THRESHOLD,) * count),)
    return ModelCard(
        name=file.stem,
        architecture=Architecture("onnx", file.stem, count, steps.channels),
        preprocessing=steps,
        class_names=class_names,
        synsets=None,
        embedding=Embedding(written.width, "", gives_logits=False),
        weights_origin=f"{file.name}, SHA-256 {model_folder.sha256(file)}",
        compilation=written.compilation,
        files=(),
        versions=(),
        tasks=tasks if kind is AnswerKind.SEVERAL else (),
    )


def _complete(
    reference: Reference, network: ForeignNetwork, file: Path
) -> tuple[tuple[int, int], ForeignOptions]:
    """The input size, and the options with what the file says."""
    size, options = reference.image_size or network.size, reference.foreign
    if network.size and size != network.size:
        own = "{} x {}".format(*network.size)
        raise UsageError(f"{file} takes images of {own} pixels only", "omit --img-size")
    if network.metadata.get("author") == _ULTRALYTICS:
        if (task := network.metadata.get("task")) != "classify":
            raise ModelFolderError(
                f"{file} is not a classifier: Ultralytics exported it for the task {task!r}"
            )
        size = size or _ultralytics_size(network.metadata, file)
        options = ForeignOptions(
            options.normalization or Normalization((0.0,), (1.0,)),
            options.resize or ResizeTo("shortest"),
            options.scores,
        )
    if network.takes_bytes:
        if options.normalization:
            raise UsageError(f"{file} takes the bytes of images", "omit --normalize")
        options = ForeignOptions(Normalization((0.0,), (1.0,)), options.resize, options.scores)
    missing = {
        "--img-size 224": size is None,
        "--normalize imagenet": options.normalization is None,
        "--resize shortest": options.resize is None,
    }
    if size is None or any(missing.values()):
        needed = [option for option, is_missing in missing.items() if is_missing]
        raise _missing(file, needed, is_first=not reference.foreign.explicit())
    return size, options


def _missing(file: Path, options: list[str], *, is_first: bool) -> UsageError:
    """Error for options that a file needs; `is_first` if the user has not given any others."""
    name, example = quote(str(file)), " ".join(options)
    return UsageError(
        f"{file} does not say how images are prepared for it: {', '.join(option.split()[0] for option in options)} missing",
        f"say it once, e.g. cnncli pull {name} {example} --labels names.txt; then -m {name} works"
        if is_first
        else f"add {example}",
    )


def _ultralytics_size(metadata: Mapping[str, str], file: Path) -> tuple[int, int]:
    try:
        height, width = map(int, json.loads(metadata["imgsz"]))
    except (KeyError, ValueError, TypeError) as error:
        raise ModelFolderError(f"the metadata of {file} is damaged: no imgsz") from error
    return height, width


def _preprocessing(network: ForeignNetwork, size: tuple[int, int], options: ForeignOptions) -> Preprocessing:
    assert options.normalization is not None  # noqa: S101 - for mypy; `_complete` has passed
    assert options.resize is not None  # noqa: S101
    normalization = options.normalization.for_channels(network.channels)
    mode, resize = options.resize.resolve(size)
    return Preprocessing(
        channels=network.channels,
        size=size,
        resize_mode=mode,
        resize=resize,
        interpolation=Interpolation.BILINEAR,
        fill=(0,) * network.channels,
        mean=normalization.mean,
        std=normalization.std,
    )


def _class_names(
    reference: Reference, known: tuple[str, ...] | None, count: int, notice: Callable[[str], None]
) -> tuple[str, ...]:
    """The names of the classes: of `--labels`, else those that the file says, else numbers."""
    names = read_labels(reference.labels) if reference.labels else known
    if names is None:
        notice(f"the names of the {count:,} classes are unknown; set them with --labels FILE")
        return tuple(f"class {index}" for index in range(count))
    if len(names) != count:
        origin = reference.labels or reference.name
        raise WeightsError(f"{origin} names {len(names):,} classes, the network has {count:,}")
    return names


def _names_inside(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """The names in the metadata that Ultralytics writes: a dictionary by number, as Python writes it."""
    try:
        names = ast.literal_eval(metadata.get("names", ""))
        return tuple(str(names[index]) for index in range(len(names)))
    except (ValueError, SyntaxError, TypeError, KeyError, IndexError, MemoryError, RecursionError):
        return None
