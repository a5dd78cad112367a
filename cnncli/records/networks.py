"""Networks: architecture, preprocessing, classes and the model card."""

import dataclasses
import enum
from typing import Literal, get_args

from cnncli.dataclass import frozen_dataclass
from cnncli.records.tasks import Task

CARD = "card.json"
"""The file that makes a folder a model folder."""

FEATURES = "training_features.safetensors"
"""The file of a model folder with features of training images."""

Library = Literal["timm", "torchvision", "blueprint", "transformers", "onnx"]
LIBRARIES: tuple[Library, ...] = get_args(Library)


class Resize(enum.StrEnum):
    """How an image is resized before the centre crop."""

    SHORTER = "shorter"
    """The shorter side to `resize[0]`, the other one truncated to an integer as in torchvision's `Resize(int)`."""

    COVER = "cover"
    """Both sides to at least `resize`, keeping proportions, rounded as in timm's `ResizeKeepRatio`."""

    FIT = "fit"
    """Both sides to at most `resize`, keeping proportions, padded with `fill` (timm's `crop_mode="border"`)."""

    SQUASH = "squash"
    """Exactly to `resize`, ignoring proportions (timm's `crop_mode="squash"`)."""


class Interpolation(enum.StrEnum):
    """Pillow's resampling filters under timm's names."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


class CropRounding(enum.StrEnum):
    """How half of an odd number of pixels is rounded where a centre crop begins."""

    EVEN = "even"
    """To even, and down where the image is padded, as torchvision's `center_crop` does."""

    DOWN = "down"
    """Down, and up where the image is padded, as `center_crop` of transformers does."""


@frozen_dataclass
class Preprocessing:
    """The evaluation transform from a decoded image to the network's input: resize, centre crop, normalise.

    Attributes:
        channels: 3 for RGB, 1 for Pillow's `L`.
        size: (height, width) of the network's input, in pixels.
        resize_mode: how the image is resized to `resize`.
        resize: (height, width) in pixels, before the centre crop to `size`.
        interpolation: filter of the resize.
        fill: one value per channel, 0 to 255, where the crop extends beyond the image.
        mean, std: one value per channel, of pixels scaled to 0..1.
        crop_rounding: where the centre crop of an image begins that is an odd number of pixels larger.
    """

    channels: int
    size: tuple[int, int]
    resize_mode: Resize
    resize: tuple[int, int]
    interpolation: Interpolation
    fill: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_rounding: CropRounding = CropRounding.EVEN

    def with_channels(self, channels: int) -> "Preprocessing":
        """The same for greyscale images: mean and standard deviation averaged over the colour channels."""
        if channels == self.channels:
            return self
        mean, std = (sum(values) / len(values) for values in (self.mean, self.std))
        return dataclasses.replace(
            self, channels=channels, mean=(mean,), std=(std,), fill=self.fill[:channels]
        )


class HeadKind(enum.StrEnum):
    """Kinds of classifiers on an embedding."""

    LINEAR = "linear"
    """A linear layer: weights (K, D) and biases (K,)."""

    NEIGHBOURS = "neighbours"
    """k nearest neighbours among the training images; stored in model.onnx only."""

    COSINE = "cosine"
    """A linear layer on embeddings of length 1."""


@frozen_dataclass
class Head:
    """A classifier on a network's embedding that replaces the network's own.

    Attributes:
        kind: kind of classifier.
        layer: name of the network's own last weight layer, whose pooled input is the embedding; empty where the network's output
            is the embedding.
        width: D, the size of the embedding.
        own_classes: number of outputs of that layer.
    """

    kind: HeadKind
    layer: str
    width: int
    own_classes: int


@frozen_dataclass
class Cut:
    """Where a network is cut: at an inner layer, whose pooled output becomes the embedding; later layers are removed.

    Attributes:
        layer: name of the layer.
        size: (height, width) of the network's input in pixels.
        own_classes: number of outputs of the whole network.
    """

    layer: str
    size: tuple[int, int]
    own_classes: int


@frozen_dataclass
class Architecture:
    """Everything needed to build a network, except weights.

    Attributes:
        library: the library that builds it.
        name: its name in that library, without a tag.
        num_classes: number of outputs; 0 for a backbone without a classifier.
        channels: number of input channels.
        image_size: (height, width) in pixels, if the architecture depends on it; else None.
        blueprint: text of the blueprint that it is built from; None for other networks.
        head: a classifier that replaces the network's own; None for the network's own.
        cut: where it is cut, which gives it a linear classifier of its own; None for a whole network.
        config: its configuration in transformers, as JSON; None for other libraries.
    """

    library: Library
    name: str
    num_classes: int
    channels: int = 3
    image_size: tuple[int, int] | None = None
    blueprint: str | None = None
    head: Head | None = None
    cut: Cut | None = None
    config: str | None = None

    def whole(self) -> "Architecture":
        """The whole network with its own classifier, as its library builds it."""
        changed = self.cut or self.head
        own_classes = changed.own_classes if changed else self.num_classes
        return dataclasses.replace(self, num_classes=own_classes, head=None, cut=None)


@frozen_dataclass
class FileFacts:
    """A file of a model folder: name, size in bytes, and SHA-256 in hexadecimal."""

    name: str
    bytes: int
    sha256: str


@frozen_dataclass
class Compilation:
    """The comparison of model.onnx with torch on random input, or the reason why there is no model.onnx.

    Attributes:
        reason: why the network was not compiled; None where it was.
        largest_difference: largest absolute difference between logits; None where there is no model.onnx.
        spread: largest minus smallest logit, to which the difference is compared; None likewise.
    """

    reason: str | None
    largest_difference: float | None = None
    spread: float | None = None


@frozen_dataclass
class PackageVersion:
    """A package that a model folder was made with, and its version."""

    package: str
    version: str


@frozen_dataclass
class Embedding:
    """The embedding of a network: the pooled input of its last weight layer.

    Attributes:
        size: D, the number of dimensions.
        layer: name of that layer; empty where the network's output is the embedding.
        gives_logits: whether that layer applied to an embedding gives the logits, so that a linear layer can replace it.
    """

    size: int
    layer: str
    gives_logits: bool


@frozen_dataclass
class Metric:
    """A metric of a network, measured after training.

    Attributes:
        name: such as `val_top1`.
        value: value from 0 to 1.
        low, high: its 95 % confidence interval.
        images: number of images that it was measured on.
    """

    name: str
    value: float
    low: float
    high: float
    images: int


@frozen_dataclass
class ModelCard:
    """The description of the network in a model folder.

    Attributes:
        name: unique among prepared networks; also the name of its folder in the cache.
        architecture: how to build it.
        preprocessing: preprocessing of its images.
        class_names: names of the classes in the order of the logits, of all tasks; empty for a feature extractor.
        synsets: WordNet identifiers of the classes; None where they have none.
        embedding: its embedding.
        weights_origin: where the weights came from, as text.
        compilation: comparison of model.onnx with torch.
        files: files of the network; others in the folder are ignored.
        versions: versions of the packages that the folder was made with.
        metrics: metrics of fine-tuning; empty for a network that was not fine-tuned.
        tasks: the questions that it answers, their logits side by side; empty for a network that tells apart classes of which
            exactly one is right.
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
    tasks: tuple[Task, ...] = ()

    @property
    def is_feature_extractor(self) -> bool:
        """Whether it has no classifier, so that embeddings are its only output."""
        return not self.class_names
