"""One step of a blueprint from its words, and the values in it."""

import dataclasses
import difflib
import re

from cnncli.networks.blueprint.tokens import StepWords
from cnncli.networks.blueprint.tree import (
    SAME,
    Activation,
    ActivationStep,
    BatchNorm,
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
    SoftMax,
    Step,
    TransposedConvolution,
)
from cnncli.records.anatomy import Sides
from cnncli.records.choices import PoolKind

_MAX_NUMBER = 1_000_000

_NUMBER = r"\d{1,7}"
_SIDES = rf"{_NUMBER}(?:x{_NUMBER}){{0,2}}"
_CONV = re.compile(rf"(conv|local|transposed)([123]d)?({_SIDES})-({_NUMBER})(?:/({_SIDES}))?")
_POOL = re.compile(r"(max|avg|min)pool")
_WINDOW = re.compile(rf"({_SIDES})(?:/({_SIDES}))?")
_STRIDE = re.compile(rf"/({_SIDES})")
_INCEPTION = re.compile(rf"inception\((\s*{_NUMBER}\s*(?:,\s*{_NUMBER}\s*){{5}})\)")

_EXAMPLES = (
    *(
        "conv3-64",
        "conv1d3-64",
        "conv3d3-16",
        "local3-8",
        "transposed4-64",
        "maxpool 2",
        "avgpool 2",
        "minpool 2",
        "fc-4096",
        "dropout 0.5",
        "batchnorm",
    ),
    *("flatten", "gap", "soft-max", "lrn", "relu", "tanh", "inception(64, 96, 128, 16, 32, 32)"),
)
"""Steps that the hint for an unknown word suggests."""


def parse_step(words: StepWords, axes: int) -> Step:  # noqa: C901, PLR0911 - one line per kind of step
    """A step without others inside.

    Args:
        words: of the step; those that are understood are consumed.
        axes: of the input, without channels.

    Raises:
        BlueprintError: there is no such step, or one of its values is invalid.
    """
    head, location = words.head, words.location
    if match := _CONV.fullmatch(head):
        return _convolution(match, words, axes)
    if match := _POOL.fullmatch(head):
        return _pooling(PoolKind(match[1]), words, axes)
    if match := re.fullmatch(rf"fc-({_NUMBER})", head):
        return Linear(parse_positive(match[1], words), *_layer_options(words), location=location)
    if match := _INCEPTION.fullmatch(head):
        channels = (parse_positive(number, words) for number in match[1].split(","))
        return Inception(*channels, location=location)
    if head in set(Activation):
        return ActivationStep(Activation(head), location=location)
    match head:
        case "lrn":
            return _local_response_norm(words)
        case "dropout":
            return Dropout(_parse_probability(words.take_next(), words), location=location)
        case "batchnorm":
            return BatchNorm(location=location)
        case "flatten":
            return Flatten(location=location)
        case "gap":
            return GlobalAverage(location=location)
        case "soft-max" | "softmax":
            return SoftMax(location=location)
    close = difflib.get_close_matches(head, _EXAMPLES, 2, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise words.error("unknown layer", f"{hint}`cnncli summary --help-blueprint` explains the notation")


def _convolution(match: re.Match[str], words: StepWords, axes: int) -> Convolution:
    conv_axes = int((match[2] or "2d")[0])
    if conv_axes != axes:
        raise words.error(
            f"a convolution over {conv_axes} axes on an input with {axes} axes beside channels",
            f"write e.g. {match[1]}{'' if axes == 2 else f'{axes}d'}3-64" if axes else "write e.g. FC-64",  # noqa: PLR2004 - height and width
        )
    is_transposed = match[1] == "transposed"
    stride = _take_stride(match[5], words)
    padding = _take_padding(words, axes)
    default: Padding = (0,) * axes if is_transposed else SAME
    dilation = words.take_value("dilation")
    groups = words.take_value("groups") if match[1] != "local" else None
    output_padding = words.take_value("outpad") if is_transposed else None
    layer = _CONVOLUTIONS[match[1]](
        parse_positive(match[4], words),
        _parse_sides(match[3], axes, words),
        _parse_sides(stride, axes, words) if stride else (1,) * axes,
        default if padding is None else padding,
        _parse_sides(dilation, axes, words) if dilation else (1,) * axes,
        parse_positive(groups, words) if groups else 1,
        *_layer_options(words),
        location=words.location,
    )
    if isinstance(layer, TransposedConvolution):
        extra = _parse_sides(output_padding or "0", axes, words, smallest=0)
        return dataclasses.replace(layer, output_padding=extra)
    return layer


_CONVOLUTIONS = {
    "conv": Convolution,
    "local": LocallyConnected,
    "transposed": TransposedConvolution,
}


def _pooling(kind: PoolKind, words: StepWords, axes: int) -> Pooling:
    window = words.take_match(_WINDOW)
    kernel = _parse_sides(window[1] if window else "2", axes, words)
    stride = _take_stride(window[2] if window else None, words)
    padding = _take_padding(words, axes)
    return Pooling(
        kind,
        kernel,
        _parse_sides(stride, axes, words) if stride else kernel,
        (0,) * axes if padding is None else padding,
        words.take("ceil") is not None,
        location=words.location,
    )


def _local_response_norm(words: StepWords) -> LocalResponseNorm:
    default = LocalResponseNorm()
    size, alpha, beta, k = (words.take_value(name) for name in ("size", "alpha", "beta", "k"))
    return LocalResponseNorm(
        parse_positive(size, words) if size else default.size,
        parse_number(alpha, words) if alpha else default.alpha,
        parse_number(beta, words) if beta else default.beta,
        parse_number(k, words) if k else default.k,
        location=words.location,
    )


# ---- values


def _take_stride(inline: str | None, words: StepWords) -> str | None:
    """The stride, written after the kernel's slash, after a slash of its own, or after `stride`; at most once."""
    match = words.take_match(_STRIDE)
    strides = [stride for stride in (inline, match and match[1], words.take_value("stride")) if stride]
    if len(strides) > 1:
        raise words.error("stride given twice")
    return strides[0] if strides else None


def parse_positive(text: str, words: StepWords) -> int:
    """A positive integer.

    Raises:
        BlueprintError: not one.
    """
    if not re.fullmatch(_NUMBER, text.strip()) or not int(text):
        raise words.error(f"{text.strip()!r} is not a positive integer")
    return int(text)


def _parse_sides(text: str, axes: int, words: StepWords, *, smallest: int = 1) -> Sides:
    """`3` or `3x5`, as one value per axis."""
    parts = text.split("x")
    if not all(re.fullmatch(_NUMBER, part) and int(part) >= smallest for part in parts):
        raise words.error(f"{text!r} is not an integer of at least {smallest}, or several joined by x")
    sides = tuple(map(int, parts))
    if len(sides) not in {1, axes}:
        raise words.error(f"{text!r} has {len(sides)} values for {axes} axes")
    return sides * axes if len(sides) == 1 else sides


def _take_padding(words: StepWords, axes: int) -> Padding | None:
    if word := words.take("valid", "same"):
        return SAME if word == "same" else (0,) * axes
    if value := words.take_value("pad", "padding"):
        if value in {"valid", "same"}:
            return SAME if value == "same" else (0,) * axes
        return (
            _parse_padding(value, axes, words)
            if ":" in value
            else _parse_sides(value, axes, words, smallest=0)
        )
    return None


def _parse_padding(text: str, axes: int, words: StepWords) -> tuple[tuple[int, int], ...]:
    """`0:1`, or `0:1x2:0`, as one pair (before, after) per axis."""
    pairs = [re.fullmatch(rf"({_NUMBER}):({_NUMBER})", part) for part in text.split("x")]
    if not all(pairs) or len(pairs) not in {1, axes}:
        raise words.error(f"{text!r} is not of the form BEFORE:AFTER, or several joined by x")
    sides = tuple((int(pair[1]), int(pair[2])) for pair in pairs if pair)
    return sides * axes if len(sides) == 1 else sides


def _layer_options(words: StepWords) -> tuple[bool, bool, Activation | None]:
    """Bias, batch normalisation and activation of a weight layer."""
    bias = words.take("nobias") is None
    batchnorm = words.take("batchnorm") is not None
    activation = words.take(*Activation)
    return bias, batchnorm, Activation(activation) if activation else None


def parse_activation(text: str, words: StepWords) -> Activation:
    """An activation by name.

    Raises:
        BlueprintError: there is no such activation.
    """
    if text not in set(Activation):
        raise words.error(f"no activation is called {text!r}", f"activations: {', '.join(Activation)}")
    return Activation(text)


def parse_number(text: str | None, words: StepWords) -> float:
    """A number of at least zero.

    Raises:
        BlueprintError: missing, not a number, or too large.
    """
    if text is None or not re.fullmatch(r"\d{1,9}(?:\.\d{0,20})?(?:e-?\d{1,3})?|\.\d{1,20}", text):
        raise words.error(f"{text!r} is not a number" if text else "a number is missing")
    value = float(text)
    if value > _MAX_NUMBER:
        raise words.error(f"{text} is too large", f"the limit is {_MAX_NUMBER:,}")
    return value


def _parse_probability(text: str | None, words: StepWords) -> float:
    value = parse_number(text, words)
    if not 0 <= value < 1:
        raise words.error(f"{text} is not at least 0 and below 1")
    return value
