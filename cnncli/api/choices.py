"""Options as a program passes them: text for a choice, a name or path for a network."""

import enum
import os
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from cnncli.errors import UsageError
from cnncli.inference import InferenceOptions
from cnncli.networks.prepared import fall_back_to_built_in
from cnncli.networks.reference import Reference
from cnncli.records.defaults import or_default
from cnncli.records.engines import EngineName, EngineOptions, Precision
from cnncli.records.progress import Progress

FilePath = str | os.PathLike[str]

Choice = TypeVar("Choice", bound=enum.StrEnum)


def choice(kind: type[Choice], name: str, text: str) -> Choice:
    """One of the values of an option.

    Raises:
        UsageError: it is none of them.
    """
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{name}={text!r} is not a choice", f"use {', '.join(kind)}") from None


def reference(
    model: FilePath | None,
    progress: Progress,
    weights: FilePath | None = None,
    labels: FilePath | None = None,
    image_size: tuple[int, int] | None = None,
) -> Reference:
    """The network that a program names; the one that CNNCLI_MODEL names, or else the default, where it names none.

    Args:
        model: its name or path.
        progress: reports if the built-in model replaces the default.
        weights: file with weights for it; None for published ones.
        labels: file with one class name per line; None for the network's own.
        image_size: (height, width) in pixels; None for the network's own.
    """
    name = os.fspath(model) if model is not None else os.environ.get("CNNCLI_MODEL") or None
    requested = Reference(or_default(name), _path(weights), _path(labels), image_size=image_size)
    return fall_back_to_built_in(requested, progress) if name is None else requested


def _path(file: FilePath | None) -> Path | None:
    return None if file is None else Path(file)


class RunOptions(TypedDict, total=False):
    """How images go through a network; each may be left out.

    Attributes:
        device: auto, cpu, cuda, cuda:1 or mps.
        engine: auto, onnx, openvino or torch.
        precision: fp32, bf16, fp16, or auto.
        batch_size: images per batch; None leaves it to the engine.
        workers: threads that decode images; None for one per core.
        tta: average over each image and its horizontal flip.
        max_pixels: larger images are not decoded.
        exact_decode: decode every pixel of large JPEGs.
    """

    device: str
    engine: str
    precision: str
    batch_size: int | None
    workers: int | None
    tta: bool
    max_pixels: int
    exact_decode: bool


def inference_options(
    *,
    device: str = "auto",
    engine: str = "auto",
    precision: str = "fp32",
    **others: Any,  # noqa: ANN401 - of any type
) -> InferenceOptions:
    """`RunOptions` as the rest of the package takes them.

    Raises:
        UsageError: there is no engine, device or precision of that name.
    """
    return InferenceOptions(engine=engine_options(engine, device, precision), **others)


def engine_options(engine: str, device: str, precision: str) -> EngineOptions:
    """The engine, the device and the precision that a program asks for.

    Raises:
        UsageError: there is none of that name.
    """
    return EngineOptions(
        choice(EngineName, "engine", engine), device, choice(Precision, "precision", precision)
    )
