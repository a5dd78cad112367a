"""Output shapes of a blueprint's steps, checked before anything is built.

A shape is (C, H, W), (C, L), (C, D, H, W), or (D,) for a vector, as after flattening; without the batch.
"""

import math
from collections.abc import Sequence

from cnncli.errors import BlueprintError, GeometryError
from cnncli.geometry import effective_kernel_size, output_size, same_padding
from cnncli.networks.blueprint.parser import MAX_STEPS
from cnncli.networks.blueprint.tree import (
    SAME,
    Activation,
    Auxiliary,
    BaseStep,
    Blueprint,
    Branches,
    Convolution,
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
)
from cnncli.records.anatomy import Shape, Sides
from cnncli.records.choices import PoolKind
from cnncli.text import counted, shape_text

MAX_ELEMENTS = 2**40
"""Largest number of elements of a feature map, or of weights of a layer; more is a typing error."""


def output_shape(blueprint: Blueprint) -> Shape:
    """The shape of the network's output.

    Raises:
        GeometryError: a layer does not fit its input; the message begins with its location.
        BlueprintError: there are too many layers.
    """
    count = _count(blueprint.steps)
    if count > MAX_STEPS:
        raise BlueprintError(f"the blueprint has more than {MAX_STEPS:,} layers")
    _require_heads_outside(blueprint.steps)
    _require_soft_max_last(blueprint.steps)
    return shape_after_all(blueprint.steps, blueprint.input)


def num_classes(blueprint: Blueprint) -> int:
    """The number of logits.

    Raises:
        GeometryError: as `output_shape`.
        BlueprintError: as `output_shape`; or the network's output is not one number per class.
    """
    shape = output_shape(blueprint)
    if len(shape) != 1:
        raise BlueprintError(
            f"the network's output is {shape_text(shape)}, not one number per class",
            "end with FC-N, or with conv1-N and gap",
        )
    return shape[0]


def _bodies(step: Step) -> Sequence[Steps]:
    """The steps inside a step."""
    match step:
        case Residual(body=body) | Auxiliary(body=body):
            return (body,)
        case Branches(branches=branches):
            return branches
        case _:
            return ()


def _count(steps: Steps) -> int:
    """The number of steps, including nested ones; counting stops above `MAX_STEPS`."""
    total = len(steps)
    for step in steps:
        if total > MAX_STEPS:
            break
        total += sum(map(_count, _bodies(step)))
    return total


def _require_heads_outside(steps: Steps, *, is_inside: bool = False) -> None:
    """Check that auxiliary heads are not inside blocks, which return a single tensor."""
    for step in steps:
        if is_inside and isinstance(step, Auxiliary):
            raise _shape_error(step, "an auxiliary head cannot be inside a block")
        for body in _bodies(step):
            _require_heads_outside(body, is_inside=True)


def _require_soft_max_last(steps: Steps) -> None:
    """Check that nothing follows soft-max, which is not built."""
    for position, step in enumerate(steps):
        if isinstance(step, SoftMax) and not all(
            isinstance(later, Auxiliary) for later in steps[position + 1 :]
        ):
            raise _shape_error(step, "allowed at the end only, since networks return logits")
        for body in _bodies(step):
            _require_soft_max_last(body)


def shape_after_all(steps: Steps, shape: Shape) -> Shape:
    """The shape after several steps."""
    for step in steps:
        shape = shape_after(step, shape)
    return shape


def shape_after(step: Step, shape: Shape) -> Shape:  # noqa: C901, PLR0911 - one line per kind of step
    """The shape after one step.

    Raises:
        GeometryError: it does not fit.
    """
    match step:
        case Convolution():
            return _after_convolution(step, shape)
        case Pooling():
            _require_map(step, shape)
            return shape[0], *_output_sides(step, shape, (1,) * len(step.kernel))
        case Linear(out_features=width):
            _require_size(step, math.prod(shape) * width)
            return (width,)
        case Flatten():
            return (math.prod(shape),)
        case GlobalAverage():
            _require_map(step, shape)
            return (shape[0],)
        case LocalResponseNorm():
            _require_map(step, shape, largest=2)
            return shape
        case Branches(branches=branches):
            return _concatenate(step, [shape_after_all(branch, shape) for branch in branches])
        case Inception():
            return _after_inception(step, shape)
        case Residual():
            return _after_residual(step, shape)
        case Auxiliary(body=body):
            logits = shape_after_all(body, shape)
            if len(logits) != 1:
                raise _shape_error(step, f"its output is {shape_text(logits)}, not one number per class")
            return shape
        case _:
            return shape


def input_text(shape: Shape) -> str:
    """The shape of an input as text: `3x32x32`, or `a vector of 5 numbers`."""
    return shape_text(shape) if len(shape) > 1 else f"a vector of {counted(shape[0], 'number')}"


def padding(layer: Convolution | Pooling) -> Sides:
    """Pixels on each side, one value per axis; 0 where the two sides differ, see `uneven_padding`.

    Raises:
        GeometryError: `same` for a kernel of even effective size, or for a transposed convolution.
    """
    if isinstance(layer, TransposedConvolution) and layer.padding == SAME:
        raise _shape_error(layer, "`same` is not defined for a transposed convolution", "write pad N")
    if layer.padding != SAME:
        return tuple(side if isinstance(side, int) else 0 for side in layer.padding)
    dilation = layer.dilation if isinstance(layer, Convolution) else (1,) * len(layer.kernel)
    try:
        return tuple(same_padding(*sides) for sides in zip(layer.kernel, dilation, strict=True))
    except GeometryError as error:
        raise _shape_error(layer, error.message, "write pad N, or valid for none") from error


def uneven_padding(layer: Convolution | Pooling) -> tuple[tuple[int, int], ...]:
    """(before, after) in pixels for each axis, for a layer whose two sides differ; empty for all others."""
    return tuple(side for side in layer.padding if isinstance(side, tuple))


def _after_inception(step: Inception, shape: Shape) -> Shape:
    if len(shape) != 3:  # noqa: PLR2004 - (C, H, W)
        raise _shape_error(step, f"needs a feature map with height and width, not {shape_text(shape)}")
    return _concatenate(step, [shape_after_all(branch, shape) for branch in inception_branches(step)])


def inception_branches(step: Inception) -> tuple[Steps, ...]:
    """The four branches of an Inception module (Szegedy et al. 2014, figure 2b), with the original 5x5 convolutions."""

    def conv(kernel: int, channels: int) -> Convolution:
        return Convolution(channels, (kernel, kernel), (1, 1), "same", (1, 1), location=step.location)

    pool = Pooling(PoolKind.MAX, (3, 3), (1, 1), "same")
    return (
        (conv(1, step.conv1),),
        (conv(1, step.reduce3), conv(3, step.conv3)),
        (conv(1, step.reduce5), conv(5, step.conv5)),
        (pool, conv(1, step.pool_projection)),
    )


def _after_convolution(step: Convolution, shape: Shape) -> Shape:
    _require_map(step, shape)
    if shape[0] % step.groups or step.out_channels % step.groups:
        raise _shape_error(
            step,
            f"{shape[0]} input and {step.out_channels} output channels are not divisible by {step.groups} groups",
        )
    weights = math.prod(step.kernel) * shape[0] // step.groups * step.out_channels
    sides = (
        _after_transposed(step, shape)
        if isinstance(step, TransposedConvolution)
        else _output_sides(step, shape, step.dilation)
    )
    _require_size(step, weights * (math.prod(sides) if isinstance(step, LocallyConnected) else 1))
    return step.out_channels, *sides


def _after_transposed(step: TransposedConvolution, shape: Shape) -> Sides:
    """(W - 1) S - 2P + d(K - 1) + 1 + output padding, along each axis."""
    if uneven_padding(step):
        raise _shape_error(step, "the padding of a transposed convolution is equal on both sides")
    if any(
        extra >= max(*sides)
        for extra, *sides in zip(step.output_padding, step.stride, step.dilation, strict=True)
    ):
        raise _shape_error(step, "outpad must be smaller than the stride or the dilation")
    sides = tuple(
        (size - 1) * stride - 2 * pad + effective_kernel_size(kernel, dilation) + extra
        for size, kernel, stride, pad, dilation, extra in zip(
            shape[1:],
            step.kernel,
            step.stride,
            padding(step),
            step.dilation,
            step.output_padding,
            strict=True,
        )
    )
    if min(sides) < 1:
        raise _shape_error(
            step, f"nothing is left of {shape_text(shape)}: the padding cuts off the whole output"
        )
    _require_size(step, step.out_channels * math.prod(sides))
    return sides


def _output_sides(step: Convolution | Pooling, shape: Shape, dilation: Sides) -> Sides:
    pads, uneven = padding(step), uneven_padding(step)
    if uneven and isinstance(step, Pooling):
        raise _shape_error(step, "the padding of a pooling is equal on both sides")
    if isinstance(step, Pooling) and any(2 * pad > side for pad, side in zip(pads, step.kernel, strict=True)):
        raise _shape_error(step, "the padding of a pooling is at most half its window")
    rounds_up = isinstance(step, Pooling) and step.ceil
    try:
        sides = tuple(
            output_size(*values, ceil=rounds_up)
            for values in zip(_pad(shape[1:], uneven), step.kernel, step.stride, pads, dilation, strict=True)
        )
    except GeometryError as error:
        raise _shape_error(step, f"{error.message} (the input is {shape_text(shape)})") from error
    channels = step.out_channels if isinstance(step, Convolution) else shape[0]
    _require_size(step, channels * math.prod(sides))
    return sides


def _pad(sides: Sides, pairs: Sequence[tuple[int, int]]) -> Sides:
    """Sides with the padding (before, after) of each axis, if there is any."""
    if not pairs:
        return sides
    return tuple(side + before + after for side, (before, after) in zip(sides, pairs, strict=True))


def _concatenate(step: BaseStep, shapes: Sequence[Shape]) -> Shape:
    """The shape of maps that are concatenated along the channels."""
    if any(len(shape) < 2 or shape[1:] != shapes[0][1:] for shape in shapes):  # noqa: PLR2004 - channels and sides
        raise _shape_error(step, f"branches of different sizes: {' and '.join(map(shape_text, shapes))}")
    return sum(shape[0] for shape in shapes), *shapes[0][1:]


def _after_residual(step: Residual, shape: Shape) -> Shape:
    result = shape_after_all(step.body, shape)
    if step.shortcut is Shortcut.CONCAT:
        return _concatenate(step, [shape, result])
    if result == shape:
        return result
    if len(result) != len(shape) or len(shape) == 1:
        raise _shape_error(step, f"cannot add input {shape_text(shape)} to output {shape_text(result)}")
    stride = shortcut_stride(shape, result)
    subsampled = tuple(output_size(side, 1, step_) for side, step_ in zip(shape[1:], stride, strict=True))
    if subsampled != result[1:]:
        raise _shape_error(
            step, f"no stride of the shortcut reduces {shape_text(shape)} to {shape_text(result)}"
        )
    if step.shortcut is Shortcut.IDENTITY and result[0] < shape[0]:
        raise _shape_error(
            step,
            f"an identity shortcut cannot reduce {shape[0]} channels to {result[0]}",
            "write residual project",
        )
    return result


def shortcut_stride(before: Shape, result: Shape) -> Sides:
    """The stride of a shortcut from one shape to another."""
    return tuple(math.ceil(side / out) for side, out in zip(before[1:], result[1:], strict=True))


def _require_map(step: BaseStep, shape: Shape, largest: int = 3) -> None:
    """Check that a shape has channels and at least one, at most `largest` axes."""
    if len(shape) < 2:  # noqa: PLR2004 - channels and sides
        raise _shape_error(step, f"needs a feature map, but its input is a vector of {shape[0]:,} numbers")
    if len(shape) - 1 > largest:
        raise _shape_error(step, f"works on images and signals, not on {shape_text(shape)}")


def _require_size(step: BaseStep, count: int) -> None:
    if count > MAX_ELEMENTS:
        raise _shape_error(step, f"too large: {count:,} elements")


def _shape_error(step: BaseStep, message: str, hint: str | None = None) -> GeometryError:
    return GeometryError(f"{step.location}: {message}" if step.location else message, hint)


def hidden_activation(
    blueprint_activation: Activation | None, layer_activation: Activation | None, *, is_last: bool
) -> Activation | None:
    """The activation after a weight layer: its own, or the header's unless it gives the logits; None for none."""
    activation = layer_activation or (None if is_last else blueprint_activation)
    return None if activation is Activation.LINEAR else activation
