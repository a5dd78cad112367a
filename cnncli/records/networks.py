"""What a network is, as far as anyone who uses it must know."""

import enum
from dataclasses import dataclass
from typing import Literal, get_args

Library = Literal["timm", "torchvision", "blueprint"]
LIBRARIES: tuple[Library, ...] = get_args(Library)


class Resize(enum.StrEnum):
    """How an image is brought to size before the centre crop."""

    SHORTER = "shorter"
    """The shorter side to `resize[0]`, lengths cut as torchvision cuts them (`Resize(int)`)."""

    COVER = "cover"
    """Until both sides reach `resize`, lengths rounded (timm's `ResizeKeepRatio`)."""

    FIT = "fit"
    """Until both sides lie within `resize`, the rest filled (timm's `crop_mode="border"`)."""

    SQUASH = "squash"
    """Exactly to `resize`, whatever becomes of the proportions (timm's `crop_mode="squash"`)."""


class Interpolation(enum.StrEnum):
    """Pillow's filters, named as timm names them."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From a decoded image to what the network was trained to see.

    Attributes:
        channels: 3 for RGB, 1 for Pillow's `L`.
        size: (height, width) of the network's input, in pixels.
        resize_mode: how the image is brought to `resize`.
        resize: (height, width) in pixels, before the centre crop to `size`.
        interpolation: the filter of the resize.
        fill: one value a channel, 0 to 255, where the crop reaches beyond the image.
        mean, std: one value a channel, of pixels scaled to 0..1.
    """

    channels: int
    size: tuple[int, int]
    resize_mode: Resize
    resize: tuple[int, int]
    interpolation: Interpolation
    fill: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Architecture:
    """Everything that is needed to build the network again, weights aside.

    Attributes:
        library: who builds it.
        name: what that library calls it, without a tag.
        num_classes: rows of the last layer.
        channels: planes of the input.
        image_size: (height, width), where the architecture itself depends on it; else None.
        blueprint: its text, where it is built from one; else None.
    """

    library: Library
    name: str
    num_classes: int
    channels: int = 3
    image_size: tuple[int, int] | None = None
    blueprint: str | None = None


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file of a model folder: its size in bytes and the SHA-256 of its content, in hexadecimal."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Compilation:
    """How model.onnx compares with torch on random input, or why there is no model.onnx.

    Attributes:
        reason: why the network was not compiled; None where it was.
        largest_difference: of any logit, where both ran the same input.
        spread: largest minus smallest logit of that run; the difference is judged against it.
    """

    reason: str | None
    largest_difference: float | None = None
    spread: float | None = None


@dataclass(frozen=True, slots=True)
class PackageVersion:
    """A package that had a hand in the folder."""

    package: str
    version: str


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model folder says of its network.

    Attributes:
        name: unique among prepared networks; also the name of its folder in the cache.
        architecture: how to build it again.
        preprocessing: how to feed it.
        class_names: what people call the classes, in the order of the logits.
        synsets: WordNet identifiers of the same classes, where they have any.
        embedding_size: D, the width of the last weight layer's pooled input.
        weights_origin: where the weights came from, in words.
        compilation: how far model.onnx can be trusted.
        files: everything in the folder but the card.
        versions: of the packages that made it.
    """

    name: str
    architecture: Architecture
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    synsets: tuple[str, ...] | None
    embedding_size: int
    weights_origin: str
    compilation: Compilation
    files: tuple[FileFacts, ...]
    versions: tuple[PackageVersion, ...]
