"""Blueprint tree to torch module.

Layers are named by their kind and numbered in order (`conv1`, `fc2`, `residual3.body.conv1`), so that a summary, a
checkpoint and the blueprint can be read side by side.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor, nn

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
    LocallyConnected,
    LocalResponseNorm,
    Pooling,
    Residual,
    Shortcut,
    SoftMax,
    Step,
    Steps,
    TransposedConvolution,
    last_weight_layer,
)
from cnncli.networks.zoo.blueprint_layers import (
    AuxiliaryHead,
    ConcatShortcut,
    GlobalAveragePool,
    InceptionModule,
    LocallyConnectedLayer,
    MinPool,
    ParallelBranches,
    ResidualBlock,
    ZeroPadShortcut,
)
from cnncli.records.anatomy import Shape
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
        last = last_weight_layer(steps) if gives_logits else None
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
                if pairs := shapes.uneven_padding(step):
                    yield "pad", _zero_padding(pairs)
                yield _KINDS.get(type(step), "conv"), _convolution(step, shape)
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


# ---- layers


_KINDS = {LocallyConnected: "local", TransposedConvolution: "transposed"}

_CONVOLUTIONS: dict[int, Callable[..., nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: dict[int, Callable[..., nn.Module]] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
_AVERAGE: dict[int, Callable[..., nn.Module]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_MAXIMUM: dict[int, Callable[..., nn.Module]] = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_BATCHNORM: dict[int, Callable[..., nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_ZERO_PADDING: dict[int, Callable[..., nn.Module]] = {1: nn.ZeroPad1d, 2: nn.ZeroPad2d, 3: nn.ZeroPad3d}


def _convolution(step: Convolution, shape: Shape) -> nn.Module:
    axes = len(step.kernel)
    window = {"stride": step.stride, "padding": shapes.padding(step), "dilation": step.dilation}
    if isinstance(step, LocallyConnected):
        after = shapes.shape_after(step, shape)
        pairs = shapes.uneven_padding(step) or ((0, 0),) * axes
        padded = (shape[0], *(side + sum(pair) for side, pair in zip(shape[1:], pairs, strict=True)))
        return LocallyConnectedLayer(padded, after, step.kernel, bias=step.bias, **window)
    if isinstance(step, TransposedConvolution):
        return _TRANSPOSED[axes](
            shape[0],
            step.out_channels,
            step.kernel,
            output_padding=step.output_padding,
            groups=step.groups,
            bias=step.bias,
            **window,
        )
    return _CONVOLUTIONS[axes](
        shape[0], step.out_channels, step.kernel, groups=step.groups, bias=step.bias, **window
    )


def _zero_padding(pairs: Sequence[tuple[int, int]]) -> nn.Module:
    """Zeros (before, after) along each axis; torch takes the last axis first."""
    return _ZERO_PADDING[len(pairs)]([side for pair in reversed(pairs) for side in pair])


def _pooling(step: Pooling) -> nn.Module:
    axes, padding = len(step.kernel), shapes.padding(step)
    if step.kind is PoolKind.AVERAGE:
        return _AVERAGE[axes](step.kernel, step.stride, padding, ceil_mode=step.ceil, count_include_pad=False)
    pool = _MAXIMUM[axes](step.kernel, step.stride, padding, ceil_mode=step.ceil)
    return MinPool(pool) if step.kind is PoolKind.MIN else pool


def _batchnorm(width: int, axes: int) -> nn.Module:
    return _BATCHNORM.get(axes, nn.BatchNorm1d)(width)


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
