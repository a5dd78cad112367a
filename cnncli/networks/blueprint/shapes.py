"""Does it fit? Shapes through a blueprint, before anything is built.

A shape is (C, H, W), or (C, L), or (D,) after flattening; without the batch.
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
    Written,
)

Shape = tuple[int, ...]

MAX_ELEMENTS = 2**40
"""Numbers of a feature map, or weights of a layer, above which a blueprint is taken for a slip."""


def output_shape(blueprint: Blueprint) -> Shape:
    """The shape of what the network returns, without the batch.

    Raises:
        GeometryError: a layer does not fit onto what comes before it; the message begins with its place.
        BlueprintError: there are too many layers.
    """
    count = _count(blueprint.steps)
    if count > MAX_STEPS:
        raise BlueprintError(f"the blueprint has more than {MAX_STEPS:,} layers")
    _require_heads_outside(blueprint.steps)
    _require_soft_max_last(blueprint.steps)
    return through(blueprint.steps, blueprint.input)


def num_classes(blueprint: Blueprint) -> int:
    """Logits that the network returns.

    Raises:
        GeometryError: as `output_shape`.
        BlueprintError: as `output_shape`; or the last layer does not give one number a class.
    """
    shape = output_shape(blueprint)
    if len(shape) != 1:
        raise BlueprintError(
            f"the network ends with {told(shape)} and not with one number a class",
            "end with FC-N, or with conv1-N and gap",
        )
    return shape[0]


def last_weight_layer(steps: Steps) -> int | None:
    """Where the logits come from: the last weight layer with nothing after it that has an activation of its own."""
    for position in range(len(steps) - 1, -1, -1):
        match steps[position]:
            case Convolution() | Linear():
                return position
            case SoftMax() | GlobalAverage() | Flatten() | Dropout() | Auxiliary() | Pooling() | BatchNorm():
                continue
            case _:
                return None
    return None


def _bodies(step: Step) -> Sequence[Steps]:
    """What a step has inside."""
    match step:
        case Residual(body=body) | Auxiliary(body=body):
            return (body,)
        case Branches(branches=branches):
            return branches
        case _:
            return ()


def _count(steps: Steps) -> int:
    """Steps with all that is inside them, as far as `MAX_STEPS`; shared ones are counted wherever they stand."""
    total = len(steps)
    for step in steps:
        if total > MAX_STEPS:
            break
        total += sum(map(_count, _bodies(step)))
    return total


def _require_heads_outside(steps: Steps, *, is_inside: bool = False) -> None:
    """See that auxiliary heads stand beside the network's own steps, where their logits can be had."""
    for step in steps:
        if is_inside and isinstance(step, Auxiliary):
            raise _misfit(step, "an auxiliary head cannot stand inside a block")
        for body in _bodies(step):
            _require_heads_outside(body, is_inside=True)


def _require_soft_max_last(steps: Steps) -> None:
    """See that nothing is computed from probabilities, which are never built."""
    for position, step in enumerate(steps):
        if isinstance(step, SoftMax) and not all(
            isinstance(later, Auxiliary) for later in steps[position + 1 :]
        ):
            raise _misfit(step, "stands at the end only: networks return logits")
        for body in _bodies(step):
            _require_soft_max_last(body)


def through(steps: Steps, shape: Shape) -> Shape:
    """The shape after some steps."""
    for step in steps:
        shape = after(step, shape)
    return shape


def after(step: Step, shape: Shape) -> Shape:  # noqa: C901, PLR0911 - one line a kind of step
    """The shape after one step.

    Raises:
        GeometryError: it does not fit.
    """
    match step:
        case Convolution():
            return _after_convolution(step, shape)
        case Pooling():
            _require_map(step, shape)
            return shape[0], *_sides(step, shape, (1,) * len(step.kernel))
        case Linear(units=units):
            _require_size(step, math.prod(shape) * units)
            return (units,)
        case Flatten():
            return (math.prod(shape),)
        case GlobalAverage():
            _require_map(step, shape)
            return (shape[0],)
        case LocalResponseNorm():
            _require_map(step, shape)
            return shape
        case Branches(branches=branches):
            return _beside(step, [through(branch, shape) for branch in branches])
        case Inception():
            return _after_inception(step, shape)
        case Residual():
            return _after_residual(step, shape)
        case Auxiliary(body=body):
            logits = through(body, shape)
            if len(logits) != 1:
                raise _misfit(step, f"ends with {told(logits)} and not with one number a class")
            return shape
        case _:
            return shape


def told(shape: Shape) -> str:
    """A shape as people write it: 64x56x56."""
    return "x".join(map(str, shape))


def padding(layer: Convolution | Pooling) -> Sides:
    """Pixels on each side, one value an axis.

    Raises:
        GeometryError: `same` for a kernel that reaches over an even number of pixels.
    """
    if layer.padding != SAME:
        return tuple(int(side) for side in layer.padding)
    dilation = layer.dilation if isinstance(layer, Convolution) else (1,) * len(layer.kernel)
    for kernel, spread in zip(layer.kernel, dilation, strict=True):
        if effective_kernel_size(kernel, spread) % 2 == 0:
            raise _misfit(
                layer, f"a kernel of {kernel} has no middle, so no padding keeps the size", "say pad N"
            )
    return tuple(same_padding(kernel, spread) for kernel, spread in zip(layer.kernel, dilation, strict=True))


def _after_inception(step: Inception, shape: Shape) -> Shape:
    if len(shape) != 3:  # noqa: PLR2004 - (C, H, W)
        raise _misfit(step, f"needs a feature map with height and width, and gets {told(shape)}")
    return _beside(step, [through(branch, shape) for branch in inception_branches(step)])


def inception_branches(step: Inception) -> tuple[Steps, ...]:
    """The four ways of an Inception module (Szegedy et al. 2014, figure 2b), with the original's 5x5 convolutions."""

    def conv(kernel: int, maps: int) -> Convolution:
        return Convolution(maps, (kernel, kernel), (1, 1), "same", (1, 1), place=step.place)

    pool = Pooling(Pool.MAX, (3, 3), (1, 1), "same")
    return (
        (conv(1, step.ones),),
        (conv(1, step.reduce3), conv(3, step.threes)),
        (conv(1, step.reduce5), conv(5, step.fives)),
        (pool, conv(1, step.pooled)),
    )


def _after_convolution(step: Convolution, shape: Shape) -> Shape:
    _require_map(step, shape)
    if shape[0] % step.groups or step.maps % step.groups:
        raise _misfit(step, f"{step.groups} groups do not divide {shape[0]} channels into {step.maps} maps")
    _require_size(step, math.prod(step.kernel) * shape[0] // step.groups * step.maps)
    return step.maps, *_sides(step, shape, step.dilation)


def _sides(step: Convolution | Pooling, shape: Shape, dilation: Sides) -> Sides:
    pads = padding(step)
    if isinstance(step, Pooling) and any(2 * pad > side for pad, side in zip(pads, step.kernel, strict=True)):
        raise _misfit(step, "a pooling may be padded by half its window at most")
    rounds_up = isinstance(step, Pooling) and step.ceil
    try:
        sides = tuple(
            output_size(*values, ceil=rounds_up)
            for values in zip(shape[1:], step.kernel, step.stride, pads, dilation, strict=True)
        )
    except GeometryError as error:
        raise _misfit(step, f"{error.message} (it gets {told(shape)})") from error
    maps = step.maps if isinstance(step, Convolution) else shape[0]
    _require_size(step, maps * math.prod(sides))
    return sides


def _beside(step: Written, shapes: Sequence[Shape]) -> Shape:
    """Maps put beside each other."""
    if any(len(shape) < 2 or shape[1:] != shapes[0][1:] for shape in shapes):  # noqa: PLR2004 - channels and sides
        raise _misfit(step, f"its branches give {' and '.join(map(told, shapes))}, which do not match")
    return sum(shape[0] for shape in shapes), *shapes[0][1:]


def _after_residual(step: Residual, shape: Shape) -> Shape:
    result = through(step.body, shape)
    if step.shortcut is Shortcut.CONCAT:
        return _beside(step, [shape, result])
    if len(result) != len(shape):
        raise _misfit(step, f"{told(shape)} goes in and {told(result)} comes out, which cannot be added")
    if result != shape:
        if len(shape) == 1:
            raise _misfit(step, f"{told(shape)} goes in and {told(result)} comes out, which cannot be added")
        stride = shortcut_stride(shape, result)
        strided = tuple(output_size(side, 1, step_) for side, step_ in zip(shape[1:], stride, strict=True))
        if strided != result[1:]:
            raise _misfit(step, f"no stride brings {told(shape)} to {told(result)} for the shortcut")
        if step.shortcut is Shortcut.IDENTITY and result[0] < shape[0]:
            raise _misfit(
                step,
                f"{shape[0]} channels go in and {result[0]} come out: zeros can be added, not taken away",
                "say residual project",
            )
    return result


def shortcut_stride(before: Shape, result: Shape) -> Sides:
    """The stride of a shortcut that goes along with a body from one shape to the other."""
    return tuple(math.ceil(side / out) for side, out in zip(before[1:], result[1:], strict=True))


def _require_map(step: Written, shape: Shape) -> None:
    if len(shape) < 2:  # noqa: PLR2004 - channels and sides
        raise _misfit(
            step, f"needs a feature map, and what comes before it gives {shape[0]:,} numbers in a row"
        )


def _require_size(step: Written, count: int) -> None:
    if count > MAX_ELEMENTS:
        raise _misfit(step, f"would have {count:,} numbers")


def _misfit(step: Written, message: str, hint: str | None = None) -> GeometryError:
    return GeometryError(f"{step.place}: {message}" if step.place else message, hint)


def hidden_activation(
    blueprint_activation: Activation | None, own: Activation | None, *, is_last: bool
) -> Activation | None:
    """What follows a weight layer: its own, or the header's unless it gives the logits; None is nothing."""
    chosen = own or (None if is_last else blueprint_activation)
    return None if chosen is Activation.LINEAR else chosen
