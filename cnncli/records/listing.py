"""Lists of networks."""

import enum
from pathlib import Path

from cnncli.dataclass import frozen_dataclass
from cnncli.records.networks import Library


class SortOrder(enum.StrEnum):
    """Sort keys of a list: ascending, except for accuracy and size on disk, which are descending."""

    NAME = "name"
    PARAMETERS = "params"
    MULTIPLY_ADDS = "macs"
    INPUT = "input"
    TOP1 = "top1"
    DISK = "disk"


class ListFormat(enum.StrEnum):
    """Output format of a list."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@frozen_dataclass
class IndexEntry:
    """A network of a library, as listed in the index.

    Attributes:
        name: its name, with library and tag where needed: `resnet50.a1_in1k`, `torchvision/alexnet.IMAGENET1K_V1`.
        library: the library that builds it.
        num_classes: number of classes of its weights; 0 for a network without a classifier.
        parameters: number of parameters; None where unknown.
        multiply_adds: multiply-adds for one image of `image_size`; None where unknown.
        image_size: (height, width) in pixels.
        top1, top5: published accuracy on ImageNet's validation set in percent; None where there is none.
        published: repository on the hub or URL of its weights; None where there are none.
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


@frozen_dataclass
class PreparedFolder:
    """A model folder in the cache and its size in bytes."""

    folder: Path
    bytes: int


@frozen_dataclass
class ListEntry:
    """An entry of a list of networks.

    Attributes:
        entry: an entry of the index, or one made from a model card.
        prepared: its model folder; None where it is not prepared.
        package: an installed Python package that contains its weights; None where there is none.
    """

    entry: IndexEntry
    prepared: PreparedFolder | None
    package: str | None = None
