"""Offers of libraries: a network with one set of weights."""

import dataclasses

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.networks.downloads import Published
from cnncli.records.networks import Architecture, Preprocessing, Resize
from cnncli.records.tasks import AnswerKind


@frozen_dataclass
class Offer:
    """A network of a library with one set of weights.

    Attributes:
        name: full name, with library and tag: `resnet50.a1_in1k`, `torchvision/alexnet.IMAGENET1K_V1`.
        architecture: how to build it.
        preprocessing: that the weights were trained with.
        class_names: of the weights; None where the library does not give any.
        imagenet: timm's name of the ImageNet subset of the classes, such as imagenet-1k; None for other classes.
        published: where the weights are published; None where they are not.
        top1, top5: accuracy on ImageNet's validation set in percent, as published by the library; None where it is not,
            and with another image size than that of the weights.
        has_classes: whether the published weights have a classifier; False for a backbone, and for an image tower such as
            CLIP's, whose outputs are dimensions of an embedding.
        kind: how many classes are right for an image.
    """

    name: str
    architecture: Architecture
    preprocessing: Preprocessing
    class_names: tuple[str, ...] | None
    imagenet: str | None
    published: Published | None
    top1: float | None = None
    top5: float | None = None
    has_classes: bool = True
    kind: AnswerKind = AnswerKind.ONE


def no_drop_path(architecture: Architecture) -> UsageError:
    """Error for a network without stochastic depth."""
    return UsageError(f"{architecture.name} does not support stochastic depth", "omit --drop-path")


def resize_input(preprocessing: Preprocessing, size: tuple[int, int] | None) -> Preprocessing:
    """The preprocessing for another input size (height, width), with as large a margin around the crop; None changes nothing."""
    if size is None or size == preprocessing.size:
        return preprocessing
    sides = zip(size, preprocessing.resize, preprocessing.size, strict=True)
    height, width = (round(side * resize / own) for side, resize, own in sides)
    mode = preprocessing.resize_mode
    if mode is Resize.SHORTER and height != width:
        mode = Resize.COVER
    return dataclasses.replace(preprocessing, size=size, resize=(height, width), resize_mode=mode)
