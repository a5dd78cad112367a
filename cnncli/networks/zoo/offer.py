"""What a library offers: a network with one set of its weights."""

from dataclasses import dataclass

from cnncli.errors import UsageError
from cnncli.networks.downloads import Published
from cnncli.records.networks import Architecture, Preprocessing


@dataclass(frozen=True, slots=True)
class Offer:
    """A network that a library offers, with what goes with one set of its weights.

    Attributes:
        name: full, with library and tag: `resnet50.a1_in1k`, `torchvision/alexnet.IMAGENET1K_V1`.
        architecture: how to build it.
        preprocessing: what those weights were trained to see.
        class_names: of its pretrained weights; None where the library does not say.
        imagenet: which of ImageNet's sets of classes those are, in timm's words; None for others.
        published: where those weights are; None where nobody published any.
        top1, top5: percent of ImageNet's validation images, where the library says so.
        has_classes: whether its published weights tell classes apart; False for a backbone without a classifier and for one
            half of a pair, such as CLIP's image tower, whose outputs are dimensions of an embedding.
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


def no_drop_path(architecture: Architecture) -> UsageError:
    """For a network in which no block can be skipped."""
    return UsageError(
        f"{architecture.name} has no residual blocks that its library could skip", "leave --drop-path out"
    )
