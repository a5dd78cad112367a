"""Lists of networks: what there is, what is prepared, and how a list is wished for."""

import enum
from dataclasses import dataclass
from pathlib import Path

from cnncli.records.networks import Library


class SortOrder(enum.StrEnum):
    """What a list is sorted by: A to Z and smallest first, but the most accurate and the largest on disk first."""

    NAME = "name"
    PARAMETERS = "params"
    MULTIPLY_ADDS = "macs"
    INPUT = "input"
    TOP1 = "top1"
    DISK = "disk"


class ListFormat(enum.StrEnum):
    """How a list is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A network that a library offers, as far as a list says it.

    Attributes:
        name: that asks for it, with its library where needed and the tag of its weights:
            `resnet50.a1_in1k`, `torchvision/alexnet.IMAGENET1K_V1`.
        library: who builds it.
        num_classes: that its weights tell apart; 0 for those that give features only.
        parameters: of all layers; None where nobody counted them.
        multiply_adds: for one image of `image_size`; None likewise.
        image_size: (height, width) in pixels.
        top1, top5: share of ImageNet's validation images in percent, as the library publishes it with the
            weights; None where it does not.
        published: where its weights are: a repository of the hub or an address; None where nobody published any.
    """

    name: str
    library: Library
    num_classes: int
    parameters: int | None
    multiply_adds: int | None
    image_size: tuple[int, int]
    top1: float | None
    top5: float | None
    published: str | None


@dataclass(frozen=True, slots=True)
class PreparedFolder:
    """A model folder in the cache, and the bytes that it takes on disk."""

    folder: Path
    bytes: int


@dataclass(frozen=True, slots=True)
class ListEntry:
    """A network that can be used.

    Attributes:
        entry: what is known of it.
        prepared: where it is prepared, if it is.
        package: an installed Python package that carries its weights, if one does.
    """

    entry: IndexEntry
    prepared: PreparedFolder | None
    package: str | None = None
