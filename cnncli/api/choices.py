"""Options as a program passes them: text for a choice, a name or path for a network."""

import difflib
import enum
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from cnncli.errors import UsageError
from cnncli.networks.prepared import fall_back_to_built_in
from cnncli.networks.reference import Reference
from cnncli.records.defaults import or_default
from cnncli.records.engines import EngineName, EngineOptions, InferenceOptions, Precision
from cnncli.records.progress import Progress

FilePath = str | os.PathLike[str]

ImageSize = int | tuple[int, int]
"""Height and width in pixels; a single number is both."""

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


def require_options(function: str, names: Iterable[str], known: Collection[str]) -> None:
    """Raise UsageError if a function of the API does not have an option."""
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, 3)
            hint = f"did you mean {', '.join(close)}?" if close else f"see help(cnncli.{function})"
            raise UsageError(f"{function} has no option {name!r}", hint)


def require_positive(**values: int | None) -> None:
    """Raise UsageError if a number is below 1; None is not set."""
    for name, value in values.items():
        if value is not None and value < 1:
            raise UsageError(f"{name}={value!r} is not above 0")


def in_order(texts: str | Iterable[str]) -> tuple[str, ...]:
    """The texts of an option that takes several; a single one need not be in a list."""
    return (texts,) if isinstance(texts, str) else tuple(texts)


def sides(image_size: ImageSize | None) -> tuple[int, int] | None:
    """(height, width) of images; a single number is both.

    Raises:
        UsageError: it is something else.
    """
    if image_size is None:
        return None
    pair = (image_size, image_size) if isinstance(image_size, int) else image_size
    match pair:
        case (int(height), int(width)) if height > 0 and width > 0:
            return height, width
    raise UsageError(f"image_size={image_size!r} is not a size in pixels", "use 224, or (height, width)")


def reference(
    model: FilePath | None,
    progress: Progress,
    weights: FilePath | None = None,
    labels: FilePath | None = None,
    image_size: ImageSize | None = None,
) -> Reference:
    """The network that a program names; the one that CNNCLI_MODEL names, or else the default, where it names none.

    Args:
        model: its name or path.
        progress: reports if the built-in model replaces the default.
        weights: file with weights for it; None for published ones.
        labels: file with one class name per line; None for the network's own.
        image_size: in pixels; None for the network's own.
    """
    name = os.fspath(model) if model is not None else os.environ.get("CNNCLI_MODEL") or None
    requested = Reference(or_default(name), _path(weights), _path(labels), image_size=sides(image_size))
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
    function: str,
    *,
    device: str = "auto",
    engine: str = "auto",
    precision: str = "fp32",
    **others: Any,  # noqa: ANN401 - of any type
) -> InferenceOptions:
    """`RunOptions` of `function` as the rest of the package takes them.

    Raises:
        UsageError: there is no such option, no engine, device or precision of that name, or a number is below 1.
    """
    require_options(function, others, RunOptions.__annotations__)
    require_positive(**{name: others.get(name) for name in ("batch_size", "workers", "max_pixels")})
    return InferenceOptions(engine=engine_options(engine, device, precision), **others)


def engine_options(engine: str, device: str, precision: str) -> EngineOptions:
    """The engine, the device and the precision that a program asks for.

    Raises:
        UsageError: there is none of that name.
    """
    return EngineOptions(
        choice(EngineName, "engine", engine), device, choice(Precision, "precision", precision)
    )
