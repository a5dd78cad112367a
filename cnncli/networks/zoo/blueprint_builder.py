"""Blueprint tree to torch module.

Layers are named by their kind and numbered in order (`conv1`, `fc2`, `residual3.body.conv1`), so that a summary, a
checkpoint and the blueprint can be read side by side.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from cnncli.networks.blueprint import shapes
from cnncli.networks.blueprint.tree import (
    Activation,
    ActivationStep,
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
    Pooling,
    Residual,
    Shortcut,
    SoftMax,
    Step,
    Steps,
)
from cnncli.records.anatomy import Shape, Sides
from cnncli.records.choices import PoolKind

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    Activation.RELU: nn.ReLU,
    Activation.TANH: nn.Tanh,
    Activation.SIGMOID: nn.Sigmoid,
    Activation.GELU: nn.GELU,
    Activation.SILU: nn.SiLU,
}


class BlueprintNetwork(nn.Sequential):
    """A network built from a blueprint: images (N, C, H, W) to logits (N, K).

    In training mode, a blueprint with auxiliary heads returns a tuple: the logits, then those of each head in order.
    """

    def __init__(self, layers: "OrderedDict[str, nn.Module]") -> None:
        super().__init__(layers)
        self.loss_weights = tuple(layer.loss_weight for layer in self if isinstance(layer, AuxiliaryHead))
        """Weights of the auxiliary losses; that of the main loss is 1."""

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits; in training mode together with those of auxiliary heads."""
        auxiliary = []
        for layer in self:
            if not isinstance(layer, AuxiliaryHead):
                images = layer(images)
            elif self.training:
                auxiliary.append(layer(images))
        return (images, *auxiliary) if auxiliary else images


def build(blueprint: Blueprint) -> BlueprintNetwork:
    """Build the network with random weights.

    Raises:
        GeometryError: a layer does not fit its input.
        BlueprintError: it has too many layers.
    """
    shapes.output_shape(blueprint)
    builder = _Builder(blueprint.activation)
    return BlueprintNetwork(builder.layers(blueprint.steps, blueprint.input, gives_logits=True))


class _Builder:
    def __init__(self, activation: Activation | None) -> None:
        self._activation = activation

    def layers(self, steps: Steps, shape: Shape, *, gives_logits: bool) -> "OrderedDict[str, nn.Module]":
        """The modules of steps, by name.

        Args:
            steps: in order.
            shape: of their input.
            gives_logits: whether the last weight layer gives logits, which no default activation follows.
        """
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        counts: dict[str, int] = {}
        last = shapes.last_weight_layer(steps) if gives_logits else None
        for position, step in enumerate(steps):
            for kind, module in self._modules(step, shape, is_last=position == last):
                counts[kind] = counts.get(kind, 0) + 1
                modules[f"{kind}{counts[kind]}"] = module
            shape = shapes.shape_after(step, shape)
        return modules

    def _modules(  # noqa: C901, PLR0912 - one case per kind of step
        self, step: Step, shape: Shape, *, is_last: bool
    ) -> Iterator[tuple[str, nn.Module]]:
        """The (kind, module) pairs of a step."""
        match step:
            case Convolution():
                yield "conv", _convolution(step, shape)
                yield from self._norm_and_activation(
                    step, step.out_channels, len(step.kernel), is_last=is_last
                )
            case Linear():
                if len(shape) > 1:
                    yield "flatten", nn.Flatten()
                yield "fc", nn.Linear(math.prod(shape), step.out_features, bias=step.bias)
                yield from self._norm_and_activation(step, step.out_features, 0, is_last=is_last)
            case Pooling():
                yield f"{step.kind}pool", _pooling(step)
            case ActivationStep(activation=activation):
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
                yield "branches", ParallelBranches([self._block(branch, shape) for branch in branches])
            case Inception():
                yield (
                    "inception",
                    InceptionModule(
                        [self._block(branch, shape) for branch in shapes.inception_branches(step)]
                    ),
                )
            case Residual():
                yield "residual", self._residual(step, shape)
            case Auxiliary(weight=weight, body=body):
                yield "aux", AuxiliaryHead(self.layers(body, shape, gives_logits=True), weight)

    def _norm_and_activation(
        self, step: Convolution | Linear, width: int, axes: int, *, is_last: bool
    ) -> Iterator[tuple[str, nn.Module]]:
        if step.batchnorm:
            yield "norm", _batchnorm(width, axes)
        activation = shapes.hidden_activation(self._activation, step.activation, is_last=is_last)
        if activation:
            yield str(activation), _ACTIVATIONS[activation]()

    def _block(self, steps: Steps, shape: Shape) -> nn.Sequential:
        return nn.Sequential(self.layers(steps, shape, gives_logits=False))

    def _residual(self, step: Residual, shape: Shape) -> "ResidualBlock":
        result = shapes.shape_after_all(step.body, shape)
        activation = shapes.hidden_activation(self._activation, step.activation, is_last=False)
        return ResidualBlock(
            self._block(step.body, shape),
            _shortcut(step, shape, result),
            _ACTIVATIONS[activation]() if activation else None,
        )


# ---- layers that torch does not have


class ParallelBranches(nn.Module):
    """Parallel branches on the same input, concatenated along the channels."""

    def __init__(self, branches: list[nn.Sequential]) -> None:
        super().__init__()
        for number, branch in enumerate(branches, start=1):
            self.add_module(f"way{number}", branch)  # a name that saved weights have

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, sum of the branches' channels, H, W)."""
        return torch.cat([branch(maps) for branch in self.children()], dim=1)


class InceptionModule(ParallelBranches):
    """GoogLeNet's four branches: 1x1 convolution; 1x1 and 3x3; 1x1 and 5x5; max pooling and 1x1."""


class ResidualBlock(nn.Module):
    """A body and a shortcut, added or concatenated, then an activation."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Module, activation: nn.Module | None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.activation = activation or nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        shortcut, residual = self.shortcut(maps), self.body(maps)
        is_concat = isinstance(self.shortcut, ConcatShortcut)
        output: Tensor = self.activation(
            torch.cat([shortcut, residual], dim=1) if is_concat else shortcut + residual
        )
        return output


class ConcatShortcut(nn.Identity):
    """A shortcut that is concatenated with the body's output instead of added."""


class ZeroPadShortcut(nn.Module):
    """The parameter-free shortcut of He et al. (2015, option A): subsampling, and zeros for additional channels."""

    def __init__(self, stride: Sides, channels: int) -> None:
        super().__init__()
        self.stride = stride
        self.channels = channels

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C + channels, H / stride, W / stride)."""
        for axis, step in enumerate(self.stride, start=2):
            maps = maps[(slice(None),) * axis + (slice(None, None, step),)]
        return functional.pad(maps, (0, 0) * len(self.stride) + (0, self.channels))


class MinPool(nn.Module):
    """Minimum pooling; padding does not count."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        """The negative of the max-pooled negative."""
        negative: Tensor = self.pool(-maps)
        return -negative


class GlobalAveragePool(nn.Module):
    """The mean of each map."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C)."""
        return maps.flatten(2).mean(dim=2)


class AuxiliaryHead(nn.Sequential):
    """An auxiliary classifier in the middle of a network, for training only."""

    def __init__(self, layers: "OrderedDict[str, nn.Module]", loss_weight: float) -> None:
        super().__init__(layers)
        self.loss_weight = loss_weight


# ---- torch's own layers


def _convolution(step: Convolution, shape: Shape) -> nn.Module:
    kind: Callable[..., nn.Module] = nn.Conv1d if len(step.kernel) == 1 else nn.Conv2d
    return kind(
        shape[0],
        step.out_channels,
        step.kernel,
        stride=step.stride,
        padding=shapes.padding(step),
        dilation=step.dilation,
        groups=step.groups,
        bias=step.bias,
    )


def _pooling(step: Pooling) -> nn.Module:
    is_1d, padding = len(step.kernel) == 1, shapes.padding(step)
    if step.kind is PoolKind.AVERAGE:
        average: Callable[..., nn.Module] = nn.AvgPool1d if is_1d else nn.AvgPool2d
        return average(step.kernel, step.stride, padding, ceil_mode=step.ceil, count_include_pad=False)
    maximum: Callable[..., nn.Module] = nn.MaxPool1d if is_1d else nn.MaxPool2d
    pool = maximum(step.kernel, step.stride, padding, ceil_mode=step.ceil)
    return MinPool(pool) if step.kind is PoolKind.MIN else pool


def _batchnorm(width: int, axes: int) -> nn.Module:
    return nn.BatchNorm2d(width) if axes == 2 else nn.BatchNorm1d(width)  # noqa: PLR2004 - height and width


def _shortcut(step: Residual, shape: Shape, result: Shape) -> nn.Module:
    if step.shortcut is Shortcut.CONCAT:
        return ConcatShortcut()
    if result == shape:
        return nn.Identity()
    stride = shapes.shortcut_stride(shape, result)
    if step.shortcut is Shortcut.IDENTITY:
        return ZeroPadShortcut(stride, result[0] - shape[0])
    project = Convolution(
        result[0], (1,) * len(stride), stride, (0,) * len(stride), (1,) * len(stride), bias=False
    )
    layers = OrderedDict(conv1=_convolution(project, shape), norm1=_batchnorm(result[0], len(stride)))
    return nn.Sequential(layers)
