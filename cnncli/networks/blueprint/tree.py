"""A blueprint as a tree of steps, with all defaults filled in.

Sides are (height, width) in pixels, (length,) for 1D signals, or (depth, height, width) for volumes. Padding `SAME` keeps
the size at stride 1.
"""

import enum
from dataclasses import field

from cnncli.dataclass import frozen_dataclass
from cnncli.networks.normalization import Normalization
from cnncli.records.anatomy import Sides
from cnncli.records.choices import PoolKind

SAME = "same"
Padding = Sides | tuple[tuple[int, int], ...] | str
"""Pixels on each side, one value or one pair (before, after) per axis; or `SAME`."""


@frozen_dataclass
class Location:
    """The location of a step in the text.

    Attributes:
        line: from 1; 0 for a text of a single line.
        words: of the step.
    """

    line: int
    words: str

    def __str__(self) -> str:
        """The beginning of an error message."""
        return f"line {self.line}: {self.words}" if self.line else self.words


@frozen_dataclass
class BaseStep:
    """A step of a blueprint; two steps that differ in their location only are equal."""

    location: Location | None = field(default=None, compare=False, repr=False, kw_only=True)


class Activation(enum.StrEnum):
    """An activation function after a weight layer."""

    RELU = "relu"
    TANH = "tanh"
    SIGMOID = "sigmoid"
    GELU = "gelu"
    SILU = "silu"
    LINEAR = "linear"
    """No activation, even if the header sets one."""


class Shortcut(enum.StrEnum):
    """How the input of a residual block is combined with its output."""

    IDENTITY = "identity"
    """Added; where the body changes the shape, subsampled and padded with zero channels (He et al. 2015, option A)."""

    PROJECT = "project"
    """Added; where the body changes the shape, through a 1x1 convolution and batch normalisation (option B)."""

    CONCAT = "concat"
    """Concatenated along the channels (Huang et al. 2016)."""


@frozen_dataclass
class Convolution(BaseStep):
    """`conv3-64`."""

    out_channels: int
    kernel: Sides
    stride: Sides
    padding: Padding
    dilation: Sides
    groups: int = 1
    bias: bool = True
    batchnorm: bool = False
    activation: Activation | None = None


@frozen_dataclass
class LocallyConnected(Convolution):
    """`local3-8`: a convolution with weights of its own at each position."""


@frozen_dataclass
class TransposedConvolution(Convolution):
    """`transposed4-64/2`: torch's transposed convolution; padding is cut off its output.

    Attributes:
        output_padding: pixels added to one side of the output, which an ambiguous stride leaves open.
    """

    output_padding: Sides = ()


@frozen_dataclass
class Pooling(BaseStep):
    """`maxpool 3/2`."""

    kind: PoolKind
    kernel: Sides
    stride: Sides
    padding: Padding
    ceil: bool = False


@frozen_dataclass
class Linear(BaseStep):
    """`FC-4096`."""

    out_features: int
    bias: bool = True
    batchnorm: bool = False
    activation: Activation | None = None


@frozen_dataclass
class ActivationStep(BaseStep):
    """`relu` on a line of its own."""

    activation: Activation


@frozen_dataclass
class BatchNorm(BaseStep):
    """`batchnorm` on a line of its own."""


@frozen_dataclass
class LocalResponseNorm(BaseStep):
    """`LRN`: local response normalisation over neighbouring channels (Krizhevsky et al. 2012).

    `alpha` multiplies the sum of squares over the window, as in the paper; torch's multiplies their mean.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0


@frozen_dataclass
class Dropout(BaseStep):
    """`dropout 0.5`."""

    probability: float


@frozen_dataclass
class Flatten(BaseStep):
    """`flatten`: (C, H, W) to (C·H·W,); `FC` flattens its input by itself."""


@frozen_dataclass
class GlobalAverage(BaseStep):
    """`gap`: global average pooling, (C, H, W) to (C,)."""


@frozen_dataclass
class SoftMax(BaseStep):
    """`soft-max`: for documentation only and not built, since networks return logits."""


@frozen_dataclass
class Branches(BaseStep):
    """`branches { … | … }`: parallel branches on the same input, concatenated along the channels."""

    branches: tuple["Steps", ...]


@frozen_dataclass
class Inception(BaseStep):
    """`inception(64, 96, 128, 16, 32, 32)`: output channels of the convolutions of an Inception module, as in its paper.

    Attributes:
        conv1: the 1x1 convolution.
        reduce3, conv3: the 1x1 reduction before the 3x3 convolution, and that convolution.
        reduce5, conv5: likewise for 5x5.
        pool_projection: the 1x1 convolution after max pooling.
    """

    conv1: int
    reduce3: int
    conv3: int
    reduce5: int
    conv5: int
    pool_projection: int


@frozen_dataclass
class Residual(BaseStep):
    """`residual { … }`."""

    body: "Steps"
    shortcut: Shortcut = Shortcut.IDENTITY
    activation: Activation | None = None


@frozen_dataclass
class Auxiliary(BaseStep):
    """`aux 0.3 { … }`: an auxiliary classifier, used in training only; its loss is multiplied by `weight`."""

    weight: float
    body: "Steps"


Step = (
    Convolution
    | Pooling
    | Linear
    | ActivationStep
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


@frozen_dataclass
class Blueprint:
    """A network.

    Attributes:
        input: (channels, height, width), (channels, length), (channels, depth, height, width), or (numbers,).
        steps: in order.
        activation: default activation of hidden weight layers; None for none.
        normalization: of the pixels; None for the usual one of its number of channels.
    """

    input: tuple[int, ...]
    steps: Steps
    activation: Activation | None = None
    normalization: Normalization | None = None


def last_weight_layer(steps: Steps) -> int | None:
    """Index of the layer that gives the logits: the last weight layer, unless an activation or a block follows it."""
    for position in range(len(steps) - 1, -1, -1):
        match steps[position]:
            case Convolution() | Linear():
                return position
            case SoftMax() | GlobalAverage() | Flatten() | Dropout() | Auxiliary() | Pooling() | BatchNorm():
                continue
            case _:
                return None
    return None
