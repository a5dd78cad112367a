"""A blueprint as a tree: what was written, with nothing left to guess.

Sides are (height, width) in pixels, or (length,) for signals of one dimension. Padding `SAME` keeps the size at
stride 1.
"""

import enum
from dataclasses import dataclass, field

Sides = tuple[int, ...]

SAME = "same"
Padding = Sides | str
"""Pixels on each side, one value an axis; or `SAME`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written: line (from 1; 0 where there is but one) and the words."""

    line: int
    words: str

    def __str__(self) -> str:
        """As a message begins."""
        return f"line {self.line}: {self.words}" if self.line else self.words


@dataclass(frozen=True, slots=True)
class Written:
    """A step of a blueprint. Two that differ in nothing but their place are equal."""

    place: Place | None = field(default=None, compare=False, repr=False, kw_only=True)


class Activation(enum.StrEnum):
    """What follows a weight layer."""

    RELU = "relu"
    TANH = "tanh"
    SIGMOID = "sigmoid"
    GELU = "gelu"
    SILU = "silu"
    LINEAR = "linear"
    """None at all, where the header line would set one."""


class Pool(enum.StrEnum):
    """What a pooling takes from its window."""

    MAX = "max"
    AVERAGE = "avg"
    MINIMUM = "min"


class Shortcut(enum.StrEnum):
    """What joins a residual block's input to its output."""

    IDENTITY = "identity"
    """Added as it is; where the body shrinks or widens, every so-many-th pixel and zeros for new channels (He et al.
    2015, option A)."""

    PROJECT = "project"
    """Added, through a 1x1 convolution and batch normalisation where the body changes the shape (option B)."""

    CONCAT = "concat"
    """Put beside the output as further channels (Huang et al. 2016)."""


@dataclass(frozen=True, slots=True)
class Convolution(Written):
    """`conv3-64`: maps out of a kernel that reaches over all input channels of its group."""

    maps: int
    kernel: Sides
    stride: Sides
    padding: Padding
    dilation: Sides
    groups: int = 1
    bias: bool = True
    batchnorm: bool = False
    activation: Activation | None = None


@dataclass(frozen=True, slots=True)
class Pooling(Written):
    """`maxpool 3/2`."""

    pool: Pool
    kernel: Sides
    stride: Sides
    padding: Padding
    ceil: bool = False


@dataclass(frozen=True, slots=True)
class Linear(Written):
    """`FC-4096`."""

    units: int
    bias: bool = True
    batchnorm: bool = False
    activation: Activation | None = None


@dataclass(frozen=True, slots=True)
class Activated(Written):
    """`relu` on a line of its own."""

    activation: Activation


@dataclass(frozen=True, slots=True)
class BatchNorm(Written):
    """`batchnorm` on a line of its own."""


@dataclass(frozen=True, slots=True)
class LocalResponseNorm(Written):
    """`LRN`: Krizhevsky's, over neighbouring channels; alpha is that of the whole window, as in his paper's code."""

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0


@dataclass(frozen=True, slots=True)
class Dropout(Written):
    """`dropout 0.5`."""

    probability: float


@dataclass(frozen=True, slots=True)
class Flatten(Written):
    """`flatten`: (C, H, W) to C H W numbers; said by an `FC` itself, too."""


@dataclass(frozen=True, slots=True)
class GlobalAverage(Written):
    """`gap`: each map to its mean."""


@dataclass(frozen=True, slots=True)
class SoftMax(Written):
    """`soft-max`: printed and never built; networks return logits."""


@dataclass(frozen=True, slots=True)
class Branches(Written):
    """`branches { … | … }`: several ways from the same input, their maps put side by side."""

    branches: tuple["Steps", ...]


@dataclass(frozen=True, slots=True)
class Inception(Written):
    """`inception(64, 96, 128, 16, 32, 32)`: maps of 1x1; of 3x3 and its reduction; of 5x5 and its; after the pooling."""

    ones: int
    reduce3: int
    threes: int
    reduce5: int
    fives: int
    pooled: int


@dataclass(frozen=True, slots=True)
class Residual(Written):
    """`residual { … }`."""

    body: "Steps"
    shortcut: Shortcut = Shortcut.IDENTITY
    activation: Activation | None = None


@dataclass(frozen=True, slots=True)
class Auxiliary(Written):
    """`aux 0.3 { … }`: a second set of logits, whose loss counts so much while training; not there while predicting."""

    weight: float
    body: "Steps"


Step = (
    Convolution
    | Pooling
    | Linear
    | Activated
    | BatchNorm
    | LocalResponseNorm
    | Dropout
    | Flatten
    | GlobalAverage
    | SoftMax
    | Branches
    | Inception
    | Residual
    | Auxiliary
)


Steps = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A whole network.

    Attributes:
        input: (channels, height, width), or (channels, length).
        steps: in order.
        activation: of all hidden weight layers that name none themselves.
    """

    input: tuple[int, ...]
    steps: Steps
    activation: Activation | None = None
