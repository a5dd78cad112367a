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


class HeadKind(enum.StrEnum):
    """What a classifier on an embedding computes."""

    LINEAR = "linear"
    """Weights (K, D) and biases (K)."""

    NEIGHBOURS = "neighbours"
    """The votes of the nearest training images; it lives in model.onnx alone."""


@dataclass(frozen=True, slots=True)
class Head:
    """A classifier on a network's embedding, in place of the network's own.

    Attributes:
        kind: what it computes.
        layer: the network's own last weight layer, whose pooled input is the embedding.
        width: D, of the embedding.
        own_classes: rows of that layer, which the head replaces.
    """

    kind: HeadKind
    layer: str
    width: int
    own_classes: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """Everything that is needed to build the network again, weights aside.

    Attributes:
        library: who builds it.
        name: what that library calls it, without a tag.
        num_classes: rows of the last layer; 0 for a backbone without one.
        channels: planes of the input.
        image_size: (height, width), where the architecture itself depends on it; else None.
        blueprint: its text, where it is built from one; else None.
        head: the classifier that took the place of the network's own; None where it is the network's own.
    """

    library: Library
    name: str
    num_classes: int
    channels: int = 3
    image_size: tuple[int, int] | None = None
    blueprint: str | None = None
    head: Head | None = None


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
class Embedding:
    """What a network makes of an image before it names it: the pooled input of its last weight layer.

    Attributes:
        size: D, numbers of an embedding.
        layer: the name of that last weight layer; empty where the network's output is itself the embedding.
        gives_logits: whether that layer's answer to an embedding is the logits, with nothing after it: then another
            layer can take its place.
    """

    size: int
    layer: str
    gives_logits: bool


@dataclass(frozen=True, slots=True)
class Metric:
    """How good a network was found to be when it was trained.

    Attributes:
        name: `val_top1`, a share of images.
        value: from 0 to 1.
        low, high: ends of its 95 % interval.
        images: that it was measured on.
    """

    name: str
    value: float
    low: float
    high: float
    images: int


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model folder says of its network.

    Attributes:
        name: unique among prepared networks; also the name of its folder in the cache.
        architecture: how to build it again.
        preprocessing: how to feed it.
        class_names: what people call the classes, in the order of the logits; empty for a feature extractor, whose outputs
            are no classes.
        synsets: WordNet identifiers of the same classes, where they have any.
        embedding: what stands before its last layer.
        weights_origin: where the weights came from, in words.
        compilation: how far model.onnx can be trusted.
        files: those that make the network; what else lies in the folder is of no importance to it.
        versions: of the packages that made it.
        metrics: of its own training, where it had any here.
    """

    name: str
    architecture: Architecture
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    synsets: tuple[str, ...] | None
    embedding: Embedding
    weights_origin: str
    compilation: Compilation
    files: tuple[FileFacts, ...]
    versions: tuple[PackageVersion, ...]
    metrics: tuple[Metric, ...] = ()

    @property
    def is_feature_extractor(self) -> bool:
        """Whether it has no classifier: its embeddings are all that it gives."""
        return not self.class_names
