"""The preprocessing of a processor of transformers, compared with the processor itself.

A processor's class decides what its settings mean, so the translation is not trusted: both prepare a few generated images, and a
network whose processor gives other pixels is refused.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import ModelNotFoundError
from cnncli.images.preprocess import Pixels, preprocess
from cnncli.records.networks import CropRounding, Interpolation, Preprocessing, Resize

_FILTERS = (
    Interpolation.NEAREST,
    Interpolation.LANCZOS,
    Interpolation.BILINEAR,
    Interpolation.BICUBIC,
    Interpolation.BOX,
    Interpolation.HAMMING,
)
"""Filters in the order of Pillow's numbers, which processors store."""

_SIZES = ((143, 97), (61, 83), (320, 240))
"""(width, height) of the images that are compared: proportions and odd margins that tell roundings apart."""

_ROUNDING_ERROR = 1e-5
"""Largest difference of a normalised value from a processor that resizes with Pillow: the order of its operations differs."""

_RESIZE_ERROR = 0.02
"""Largest difference of a pixel value, from 0 to 1, from a processor that can only resize with torchvision."""

_CONVNEXT_CROPS_BELOW = 384
"""Size from which ConvNeXt's processor resizes to the whole image, without a crop."""


@frozen_dataclass
class Geometry:
    """How a processor resizes and crops; the fields are those of `Preprocessing`."""

    size: tuple[int, int]
    mode: Resize
    resize: tuple[int, int]


@frozen_dataclass
class ProcessorPixels:
    """What a processor makes of an image.

    Attributes:
        preprocessing: the same as a preprocessing of ours.
        reverses_channels: whether it gives the channels as blue, green, red.
    """

    preprocessing: Preprocessing
    reverses_channels: bool


def translate(name: str, processor: Any, channels: int) -> ProcessorPixels:  # noqa: ANN401 - of any class
    """The preprocessing of a processor.

    Args:
        name: of the network, for messages.
        processor: an image processor of transformers, on Pillow if there is one.
        channels: 1 or 3.

    Raises:
        ModelNotFoundError: it does more than resize, crop, rescale and normalise, or its images differ in size.
    """
    kind = type(processor).__name__.removesuffix("Pil").removesuffix("ImageProcessor")
    try:
        geometry = _GEOMETRIES.get(kind, _geometry)(processor)
        mean, std = _normalization(processor, channels)
        pixels = ProcessorPixels(
            Preprocessing(
                channels=channels,
                size=geometry.size,
                resize_mode=geometry.mode,
                resize=geometry.resize,
                interpolation=_FILTERS[int(processor.resample)],
                fill=(0,) * channels,
                mean=mean,
                std=std,
                crop_rounding=CropRounding.DOWN,
            ),
            reverses_channels=kind == _REVERSING or bool(getattr(processor, "do_flip_channel_order", False)),
        )
        is_same = _is_same(processor, pixels)
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        raise _unsupported(name, kind, str(error)) from error
    if not is_same:
        raise _unsupported(name, kind, "it does more than resize, crop and normalize")
    return pixels


def _unsupported(name: str, kind: str, reason: str) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"the preprocessing of {name} ({kind}ImageProcessor) is not supported: {reason}",
        "export the network to ONNX, and say how its images are prepared: `cnncli pull NET.onnx --help`",
    )


def _pair(size: Any) -> tuple[int, int] | None:  # noqa: ANN401 - a SizeDict
    return (int(size.height), int(size.width)) if size and size.height and size.width else None


def _geometry(processor: Any, shortest: Callable[[int], int] = int) -> Geometry:  # noqa: ANN401
    """The geometry of most processors: a resize to two sides or to the shorter one, and perhaps a crop.

    Args:
        processor: with `size` and `crop_size`.
        shortest: from the shorter side in its settings to the shorter side after the resize.
    """
    if not processor.do_resize:
        raise ValueError("it does not resize images")
    size, sides = processor.size, _pair(processor.size)
    crop = _pair(processor.crop_size) if processor.do_center_crop else None
    if sides:
        return Geometry(crop or sides, Resize.SQUASH, sides)
    if not size.shortest_edge or size.longest_edge or not crop:
        raise ValueError("its images have different sizes")
    edge = shortest(int(size.shortest_edge))
    return Geometry(crop, Resize.SHORTER, (edge, edge))


def _convnext_geometry(processor: Any) -> Geometry:  # noqa: ANN401
    side = int(processor.size.shortest_edge)
    size = (side, side)
    if side >= _CONVNEXT_CROPS_BELOW:
        return Geometry(size, Resize.SQUASH, size)
    edge = int(side / processor.crop_pct)
    return Geometry(size, Resize.SHORTER, (edge, edge))


def _poolformer_geometry(processor: Any) -> Geometry:  # noqa: ANN401
    sides, crop = _pair(processor.size), _pair(processor.crop_size)
    if processor.crop_pct is None or not crop or not (processor.size.shortest_edge or sides):
        return _geometry(processor)
    edges = sides or (int(processor.size.shortest_edge),) * 2
    height, width = (int(edge / processor.crop_pct) for edge in edges)
    return Geometry(crop, Resize.SHORTER if height == width else Resize.SQUASH, (height, width))


def _pp_lcnet_geometry(processor: Any) -> Geometry:  # noqa: ANN401
    edge, crop = int(processor.resize_short), _pair(processor.crop_size)
    if not crop or not processor.do_center_crop:
        raise ValueError("its images have different sizes")
    return Geometry(crop, Resize.COVER, (edge, edge))


def _levit_geometry(processor: Any) -> Geometry:  # noqa: ANN401
    return _geometry(processor, lambda side: int(256 / 224 * side))


_GEOMETRIES: dict[str, Callable[[Any], Geometry]] = {
    "ConvNext": _convnext_geometry,
    "Levit": _levit_geometry,
    "PoolFormer": _poolformer_geometry,
    "PPLCNet": _pp_lcnet_geometry,
}
"""Processors whose settings mean something else, by the name of their class."""

_REVERSING = "PPLCNet"
"""The processor that always reverses the channels."""


def _normalization(processor: Any, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:  # noqa: ANN401
    """Mean and standard deviation of pixels scaled to 0..1, whatever factor and offset the processor scales with."""
    factor = 255 * float(processor.rescale_factor) if processor.do_rescale else 255.0
    offset = 1.0 if getattr(processor, "rescale_offset", False) else 0.0
    means, stds = [0.0] * channels, [1.0] * channels
    if processor.do_normalize:
        means, stds = (list(map(float, values)) for values in (processor.image_mean, processor.image_std))
    if getattr(processor, "include_top", False):  # EfficientNet divides a second time
        stds = [std * float(own) for std, own in zip(stds, processor.image_std, strict=True)]
    return (
        tuple((mean + offset) / factor for mean in means),
        tuple(std / factor for std in stds),
    )


def _is_same(processor: Any, pixels: ProcessorPixels) -> bool:  # noqa: ANN401
    """Whether both make the same of a few generated images."""
    steps = pixels.preprocessing
    tolerance = _ROUNDING_ERROR
    if processor.backend != "pil":
        tolerance = _RESIZE_ERROR / min(steps.std)
    for number, size in enumerate(_SIZES):
        image = _generate(size, number, steps.channels)
        expected = np.asarray(processor(image, return_tensors="np")["pixel_values"])[0]
        ours = apply(pixels, image)
        if expected.shape != ours.shape or not float(np.abs(expected - ours).max()) <= tolerance:
            return False
    return True


def apply(pixels: ProcessorPixels, image: Image.Image) -> Pixels:
    """What we make of an image, in the processor's order of channels."""
    prepared = preprocess(image, pixels.preprocessing)
    return prepared[::-1] if pixels.reverses_channels else prepared


def _generate(size: tuple[int, int], seed: int, channels: int) -> Image.Image:
    """An image of waves and noise."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / (5 + shade)) + np.cos(columns / (7 - shade)) for shade in range(3)]
    noise = np.random.default_rng(seed).uniform(-20, 20, (height, width, 3))
    values = np.clip(128 + 50 * np.stack(waves, axis=-1) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(values).convert("RGB" if channels == 3 else "L")  # noqa: PLR2004 - RGB is three
