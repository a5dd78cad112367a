"""Blueprint tree to text, which `parser` reads back to an equal tree."""

from collections.abc import Iterator

from cnncli.networks.blueprint.parser import MAX_NESTING
from cnncli.networks.blueprint.tree import (
    SAME,
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
    Padding,
    Pooling,
    Residual,
    Shortcut,
    SoftMax,
    Step,
    Steps,
    TransposedConvolution,
)
from cnncli.text import sides_text

_INDENT = "    "


def to_text(blueprint: Blueprint) -> str:
    """The text of a blueprint, one step per line."""
    lines = [f"input {'x'.join(map(str, blueprint.input))}"]
    if blueprint.activation:
        lines.append(f"activation: {blueprint.activation}")
    if blueprint.normalization:
        lines.append(f"normalize: {blueprint.normalization}")
    return "\n".join([*lines, *_lines(blueprint.steps, 0)]) + "\n"


def _lines(steps: Steps, level: int) -> Iterator[str]:
    """The lines of steps; equal steps in a row become a repeat."""
    position = 0
    while position < len(steps):
        step = steps[position]
        times = 1
        while position + times < len(steps) and steps[position + times] == step:
            times += 1
        indent = _INDENT * level
        if times > 1 and level + 1 + _nesting(step) <= MAX_NESTING:
            yield f"{indent}repeat {times} {{"
            yield from _step_lines(step, level + 1)
            yield f"{indent}}}"
            position += times
        else:
            yield from _step_lines(step, level)
            position += 1


def _nesting(step: Step) -> int:
    """The depth of nested braces of a step."""
    match step:
        case Residual(body=body) | Auxiliary(body=body):
            bodies: tuple[Steps, ...] = (body,)
        case Branches(branches=branches):
            bodies = branches
        case _:
            return 0
    return 1 + max((_nesting(inner) for body in bodies for inner in body), default=0)


def _step_lines(step: Step, level: int) -> Iterator[str]:
    indent = _INDENT * level
    match step:
        case Residual():
            kind = "" if step.shortcut is Shortcut.IDENTITY else f" {step.shortcut}"
            yield f"{indent}residual{kind} {{"
            yield from _lines(step.body, level + 1)
            yield f"{indent}}}" + (f" {step.activation}" if step.activation else "")
        case Auxiliary():
            yield f"{indent}aux {_number(step.weight)} {{"
            yield from _lines(step.body, level + 1)
            yield f"{indent}}}"
        case Branches(branches=branches):
            yield f"{indent}branches {{"
            for number, branch in enumerate(branches):
                if number:
                    yield f"{indent}|"
                yield from _lines(branch, level + 1)
            yield f"{indent}}}"
        case _:
            yield indent + _word(step)


def _word(step: Step) -> str:  # noqa: C901, PLR0911 - one line per kind of step
    """The text of a step without others inside."""
    match step:
        case Convolution():
            return _convolution(step)
        case Pooling():
            return _pooling(step)
        case Linear():
            return f"FC-{step.out_features}{_layer_options(step)}"
        case ActivationStep(activation=activation):
            return str(activation)
        case BatchNorm():
            return "batchnorm"
        case LocalResponseNorm():
            default = LocalResponseNorm()
            values = ((name, getattr(step, name)) for name in ("size", "alpha", "beta", "k"))
            return "LRN" + "".join(
                f" {name} {_number(value)}" for name, value in values if value != getattr(default, name)
            )
        case Dropout(probability=probability):
            return f"dropout {_number(probability)}"
        case Flatten():
            return "flatten"
        case GlobalAverage():
            return "gap"
        case SoftMax():
            return "soft-max"
        case Inception():
            channels = (step.conv1, step.reduce3, step.conv3, step.reduce5, step.conv5, step.pool_projection)
            return f"inception({', '.join(map(str, channels))})"
        case Residual() | Branches() | Auxiliary():
            return type(step).__name__.lower()


def _convolution(step: Convolution) -> str:
    kind, extra = "local" if isinstance(step, LocallyConnected) else "conv", ""
    if isinstance(step, TransposedConvolution):
        kind = "transposed"
        extra = f" outpad {sides_text(step.output_padding)}" if any(step.output_padding) else ""
    dimensions = "" if len(step.kernel) == 2 else f"{len(step.kernel)}d"  # noqa: PLR2004 - height and width
    stride = "" if set(step.stride) == {1} else f"/{sides_text(step.stride)}"
    padding = "" if step.padding == SAME else f" {_padding(step.padding)}"
    dilation = "" if set(step.dilation) == {1} else f" dilation {sides_text(step.dilation)}"
    groups = "" if step.groups == 1 else f" groups {step.groups}"
    return (
        f"{kind}{dimensions}{sides_text(step.kernel)}-{step.out_channels}{stride}{padding}{extra}{dilation}{groups}"
        f"{_layer_options(step)}"
    )


def _pooling(step: Pooling) -> str:
    window = sides_text(step.kernel) + ("" if step.stride == step.kernel else f"/{sides_text(step.stride)}")
    is_padded = step.padding == SAME or any(step.padding)
    return (
        f"{step.kind}pool {window}"
        + (f" {_padding(step.padding)}" if is_padded else "")
        + (" ceil" if step.ceil else "")
    )


def _padding(padding: Padding) -> str:
    if isinstance(padding, str):
        return padding
    pairs = [f"{side[0]}:{side[1]}" for side in padding if isinstance(side, tuple)]
    if pairs:
        return f"pad {pairs[0] if len(set(pairs)) == 1 else 'x'.join(pairs)}"
    sides = [side for side in padding if isinstance(side, int)]
    return f"pad {sides_text(sides)}" if any(sides) else "valid"


def _layer_options(step: Convolution | Linear) -> str:
    activation = f" {step.activation}" if step.activation else ""
    return ("" if step.bias else " nobias") + (" batchnorm" if step.batchnorm else "") + activation


def _number(value: float) -> str:
    return repr(value) if not float(value).is_integer() else str(int(value))
