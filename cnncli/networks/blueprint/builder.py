"""Tree to torch: an ordinary module with readable parameter names.

Layers are called after what they are and numbered in order (`conv1`, `fc2`, `residual3.conv1`), so that a summary, a
checkpoint and the blueprint can be read side by side.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from cnncli.networks.blueprint import shapes
from cnncli.networks.blueprint.shapes import Shape
from cnncli.networks.blueprint.tree import (
    Activated,
    Activation,
    Auxiliary,
    BatchNorm,
    Blueprint,
    Branches,
    Convolution,
    Dropout,
    Flatten,
    GlobalAverage,
    Inception,
    Linear,
    LocalResponseNorm,
    Pool,
    Pooling,
    Residual,
    Shortcut,
    Sides,
    SoftMax,
    Step,
    Steps,
)

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    Activation.RELU: nn.ReLU,
    Activation.TANH: nn.Tanh,
    Activation.SIGMOID: nn.Sigmoid,
    Activation.GELU: nn.GELU,
    Activation.SILU: nn.SiLU,
}


class BlueprintNetwork(nn.Sequential):
    """A network built from a blueprint: images (N, C, H, W) to logits (N, K).

    While training, where the blueprint has auxiliary heads, a tuple: the logits, then those of each head in order.
    """

    def __init__(self, layers: "OrderedDict[str, nn.Module]") -> None:
        super().__init__(layers)
        self.loss_weights = tuple(layer.loss_weight for layer in self if isinstance(layer, AuxiliaryHead))
        """How much each auxiliary head's loss counts beside the main one's 1."""

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits; with those of auxiliary heads while training."""
        extra = []
        for layer in self:
            if not isinstance(layer, AuxiliaryHead):
                images = layer(images)
            elif self.training:
                extra.append(layer(images))
        return (images, *extra) if extra else images


def build(blueprint: Blueprint) -> BlueprintNetwork:
    """The network, with random weights.

    Raises:
        GeometryError: it does not fit together.
        BlueprintError: it has too many layers.
    """
    shapes.output_shape(blueprint)
    builder = _Builder(blueprint.activation)
    return BlueprintNetwork(builder.layers(blueprint.steps, blueprint.input, is_whole=True))


class _Builder:
    def __init__(self, activation: Activation | None) -> None:
        self._activation = activation

    def layers(self, steps: Steps, shape: Shape, *, is_whole: bool) -> "OrderedDict[str, nn.Module]":
        """The modules of some steps by name.

        Args:
            steps: in order.
            shape: of what comes in.
            is_whole: the last weight layer among them gives logits.
        """
        named: OrderedDict[str, nn.Module] = OrderedDict()
        counts: dict[str, int] = {}
        last = shapes.last_weight_layer(steps) if is_whole else None
        for position, step in enumerate(steps):
            for kind, module in self._modules(step, shape, is_last=position == last):
                counts[kind] = counts.get(kind, 0) + 1
                named[f"{kind}{counts[kind]}"] = module
            shape = shapes.after(step, shape)
        return named

    def _modules(  # noqa: C901, PLR0912 - one case a kind of step
        self, step: Step, shape: Shape, *, is_last: bool
    ) -> Iterator[tuple[str, nn.Module]]:
        """What a step is made of, each module after its kind."""
        match step:
            case Convolution():
                yield "conv", _convolution(step, shape)
                yield from self._trimmings(step, step.maps, len(step.kernel), is_last=is_last)
            case Linear():
                if len(shape) > 1:
                    yield "flatten", nn.Flatten()
                yield "fc", nn.Linear(math.prod(shape), step.units, bias=step.bias)
                yield from self._trimmings(step, step.units, 0, is_last=is_last)
            case Pooling():
                yield f"{step.pool}pool", _pooling(step)
            case Activated(activation=activation):
                if activation in _ACTIVATIONS:
                    yield str(activation), _ACTIVATIONS[activation]()
            case BatchNorm():
                yield "norm", _batchnorm(shape[0], len(shape) - 1)
            case LocalResponseNorm(size=size, alpha=alpha, beta=beta, k=k):
                yield "lrn", nn.LocalResponseNorm(size, alpha * size, beta, k)
            case Dropout(probability=probability):
                yield "dropout", nn.Dropout(probability)
            case Flatten():
                yield "flatten", nn.Flatten()
            case GlobalAverage():
                yield "gap", GlobalAveragePool()
            case SoftMax():
                pass
            case Branches(branches=branches):
                yield "branches", Branching([self._inner(branch, shape) for branch in branches])
            case Inception():
                yield (
                    "inception",
                    InceptionModule(
                        [self._inner(branch, shape) for branch in shapes.inception_branches(step)]
                    ),
                )
            case Residual():
                yield "residual", self._residual(step, shape)
            case Auxiliary(weight=weight, body=body):
                yield "aux", AuxiliaryHead(self.layers(body, shape, is_whole=True), weight)

    def _trimmings(
        self, step: Convolution | Linear, width: int, axes: int, *, is_last: bool
    ) -> Iterator[tuple[str, nn.Module]]:
        if step.batchnorm:
            yield "norm", _batchnorm(width, axes)
        activation = shapes.hidden_activation(self._activation, step.activation, is_last=is_last)
        if activation:
            yield str(activation), _ACTIVATIONS[activation]()

    def _inner(self, steps: Steps, shape: Shape) -> nn.Sequential:
        return nn.Sequential(self.layers(steps, shape, is_whole=False))

    def _residual(self, step: Residual, shape: Shape) -> "ResidualBlock":
        result = shapes.through(step.body, shape)
        activation = shapes.hidden_activation(self._activation, step.activation, is_last=False)
        return ResidualBlock(
            self._inner(step.body, shape),
            _shortcut(step, shape, result),
            _ACTIVATIONS[activation]() if activation else None,
        )


# ---- layers that torch does not have


class Branching(nn.Module):
    """Several ways from one input, their maps put side by side."""

    def __init__(self, ways: list[nn.Sequential]) -> None:
        super().__init__()
        for number, way in enumerate(ways, start=1):
            self.add_module(f"way{number}", way)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, sum of what each way gives, H, W)."""
        return torch.cat([way(maps) for way in self.children()], dim=1)


class InceptionModule(Branching):
    """GoogLeNet's four ways: a 1x1, a 3x3 and a 5x5 convolution behind 1x1 ones, and pooling."""


class ResidualBlock(nn.Module):
    """A body, and a shortcut past it."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Module, activation: nn.Module | None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.activation = activation or nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """Sum or concatenation of both, then the activation."""
        past, through = self.shortcut(maps), self.body(maps)
        joined = (
            torch.cat([past, through], dim=1) if isinstance(self.shortcut, Concatenated) else past + through
        )
        activated: Tensor = self.activation(joined)
        return activated


class Concatenated(nn.Identity):
    """A shortcut whose maps are put beside the body's instead of being added."""


class ZeroPadded(nn.Module):
    """He et al.'s option A: every so-many-th pixel, and maps of zeros for the channels that are new."""

    def __init__(self, stride: Sides, channels: int) -> None:
        super().__init__()
        self.stride = stride
        self.channels = channels

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C + new, H / stride, W / stride)."""
        for axis, step in enumerate(self.stride, start=2):
            maps = maps[(slice(None),) * axis + (slice(None, None, step),)]
        return functional.pad(maps, (0, 0) * len(self.stride) + (0, self.channels))


class MinPool(nn.Module):
    """The smallest value of each window; padding does not count."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        """The negative of max pooling the negative."""
        negative: Tensor = self.pool(-maps)
        return -negative


class GlobalAveragePool(nn.Module):
    """Each map to its mean."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C)."""
        return maps.flatten(2).mean(dim=2)


class AuxiliaryHead(nn.Sequential):
    """Further logits from the middle of a network, for training only."""

    def __init__(self, layers: "OrderedDict[str, nn.Module]", loss_weight: float) -> None:
        super().__init__(layers)
        self.loss_weight = loss_weight


# ---- torch's own


def _convolution(step: Convolution, shape: Shape) -> nn.Module:
    kind: Callable[..., nn.Module] = nn.Conv1d if len(step.kernel) == 1 else nn.Conv2d
    return kind(
        shape[0],
        step.maps,
        step.kernel,
        stride=step.stride,
        padding=shapes.padding(step),
        dilation=step.dilation,
        groups=step.groups,
        bias=step.bias,
    )


def _pooling(step: Pooling) -> nn.Module:
    is_1d, pads = len(step.kernel) == 1, shapes.padding(step)
    if step.pool is Pool.AVERAGE:
        average: Callable[..., nn.Module] = nn.AvgPool1d if is_1d else nn.AvgPool2d
        return average(step.kernel, step.stride, pads, ceil_mode=step.ceil, count_include_pad=False)
    maximum: Callable[..., nn.Module] = nn.MaxPool1d if is_1d else nn.MaxPool2d
    largest = maximum(step.kernel, step.stride, pads, ceil_mode=step.ceil)
    return MinPool(largest) if step.pool is Pool.MINIMUM else largest


def _batchnorm(width: int, axes: int) -> nn.Module:
    return nn.BatchNorm2d(width) if axes == 2 else nn.BatchNorm1d(width)  # noqa: PLR2004 - height and width


def _shortcut(step: Residual, shape: Shape, result: Shape) -> nn.Module:
    if step.shortcut is Shortcut.CONCAT:
        return Concatenated()
    if result == shape:
        return nn.Identity()
    stride = shapes.shortcut_stride(shape, result)
    if step.shortcut is Shortcut.IDENTITY:
        return ZeroPadded(stride, result[0] - shape[0])
    project = Convolution(
        result[0], (1,) * len(stride), stride, (0,) * len(stride), (1,) * len(stride), bias=False
    )
    layers = OrderedDict(conv1=_convolution(project, shape), norm1=_batchnorm(result[0], len(stride)))
    return nn.Sequential(layers)
