"""How each torch operation changes the depth and the receptive field of a tensor.

Receptive fields are followed through convolutions, poolings, resizing and pointwise operations. After an operation that
mixes all positions (a fully connected layer on a whole map, attention, a global mean) a value depends on the whole image.
"""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from cnncli.dataclass import frozen_dataclass
from cnncli.geometry import ReceptiveField, union
from cnncli.records.anatomy import LayerField, Shape, Window


@frozen_dataclass
class TensorInfo:
    """What is known about a tensor that is computed from the image.

    Attributes:
        depth: weight layers on the longest path from the image to it.
        fields: receptive field of one value along each axis of the image; None where that is the whole image.
        channel_axis: the axis that holds channels; None where they are mixed with positions.
    """

    depth: int
    fields: tuple[ReceptiveField, ...] | None
    channel_axis: int | None

    @property
    def field(self) -> LayerField | None:
        """The receptive fields as a record; None where the input is a vector, which has no axes."""
        if self.fields is None:
            return LayerField(None, None)
        if not self.fields:
            return None
        return LayerField(
            *zip(*((field.size, field.jump, field.start) for field in self.fields), strict=True)
        )


def propagate(  # noqa: PLR0911 - one line per kind of operation
    packet: Any,  # noqa: ANN401 - torch does not name its type
    args: Sequence[Any],
    operands: Sequence[tuple[Tensor, TensorInfo]],
    results: Sequence[Tensor],
    *,
    has_weights: bool,
) -> tuple[TensorInfo, Window | None]:
    """What is known about an operation's results, and the window for one that slides over its input.

    Args:
        packet: the operation, as torch's OpOverloadPacket.
        args: its arguments.
        operands: the arguments that are computed from the image.
        results: the tensors that it returned.
        has_weights: whether parameters are among the arguments.
    """
    depth = max(info.depth for _, info in operands)
    tensor, info = operands[0]
    name = packet.__name__
    if name == "convolution":
        window = _convolution_window(args)
        return TensorInfo(depth + has_weights, after_window(info.fields, window), 1), window
    if name in _POOLS:
        window = _pooling_window(args, name)
        if info.fields and len(info.fields) < len(window.kernel):  # local response norm pools over channels
            return TensorInfo(depth, info.fields, info.channel_axis), None
        return TensorInfo(depth, after_window(info.fields, window), info.channel_axis), window
    if name.startswith(("adaptive_", "_adaptive_")):
        return TensorInfo(
            depth, _after_adaptive_pool(info.fields, tensor.shape, results[0].shape), info.channel_axis
        ), None
    if name in _PRODUCTS:
        is_pointwise = has_weights and len(operands) == 1 and info.channel_axis == tensor.dim() - 1
        return TensorInfo(
            depth + has_weights, info.fields if is_pointwise else None, results[0].dim() - 1
        ), None
    if "scaled_dot_product" in name or name.startswith(("_fft", "im2col")):
        return TensorInfo(depth, None, results[0].dim() - 1), None
    if name in _REDUCTIONS:
        return _after_reduction(info, tensor, args, results[0], depth), None
    if name.startswith("upsample"):
        scales = [
            after / before for before, after in zip(tensor.shape[2:], results[0].shape[2:], strict=True)
        ]
        fields = info.fields and tuple(
            f.after_layer(1, 1 / s) for f, s in zip(info.fields, scales, strict=True)
        )
        return TensorInfo(depth, fields, info.channel_axis), None
    if name in _PADDINGS and info.fields:
        return TensorInfo(depth, _after_padding(info.fields, args[1]), info.channel_axis), None
    return TensorInfo(
        depth, _merge_fields(operands), _channel_axis(info.channel_axis, name, tensor, args, results)
    ), None


_POOLS = {"max_pool2d_with_indices": 5, "max_pool3d_with_indices": 5, "avg_pool2d": 4, "avg_pool3d": 4}
"""Pooling operations, with the position of `ceil_mode` among their arguments."""
_PADDINGS = {"constant_pad_nd", "reflection_pad2d", "replication_pad2d"}
_PRODUCTS = {"mm", "addmm", "bmm", "baddbmm", "_scaled_mm"}
_REDUCTIONS = {"mean", "sum", "amax", "amin", "var", "var_mean", "std_mean"}


def _convolution_window(args: Sequence[Any]) -> Window:
    images, weight, _, stride, padding, dilation, transposed, output_padding, groups = args
    axes = weight.dim() - 2
    return Window(
        tuple(images.shape[-axes:]),
        tuple(weight.shape[2:]),
        _sides(stride, axes),
        _sides(padding, axes),
        _sides(dilation, axes),
        groups,
        transposed=transposed,
        output_padding=_sides(output_padding, axes) if transposed else (),
    )


def _pooling_window(args: Sequence[Any], name: str) -> Window:
    axes = int(name[name.index("pool") + 4])
    arguments = dict(enumerate(args))
    kernel = _sides(arguments[1], axes)
    stride = _sides(arguments.get(2) or kernel, axes)
    padding = _sides(arguments.get(3, 0), axes)
    dilation = _sides(arguments.get(4, 1), axes) if name.startswith("max") else (1,) * axes
    is_ceil = bool(arguments.get(_POOLS[name], False))
    return Window(tuple(args[0].shape[-axes:]), kernel, stride, padding, dilation, ceil=is_ceil)


def _sides(value: Any, axes: int) -> tuple[int, ...]:  # noqa: ANN401 - a number or a list
    values = list(value) if isinstance(value, list | tuple) else [value]
    return tuple(values * axes if len(values) == 1 else values)


_Fields = tuple[ReceptiveField, ...] | None


def after_window(fields: _Fields, window: Window) -> _Fields:
    """The fields after a layer that slides a window over its input; None where they are not known."""
    if fields is None or len(fields) != len(window.kernel):
        return None
    sides = zip(fields, window.kernel, window.stride, window.dilation, window.padding, strict=True)
    if window.transposed:
        return tuple(field.after_transposed_layer(*side) for field, *side in sides)
    return tuple(field.after_layer(*side) for field, *side in sides)


def _after_padding(fields: tuple[ReceptiveField, ...], padding: Sequence[int]) -> _Fields:
    """The fields after padding, given as (before, after) pairs, last axis first."""
    before = [*padding[::2], *[0] * len(fields)][: len(fields)]
    return tuple(
        field.after_layer(1, padding=side) for field, side in zip(fields, reversed(before), strict=True)
    )


def _after_adaptive_pool(fields: _Fields, before: Shape, after: Shape) -> _Fields:
    """The fields after adaptive pooling: None where one value is left, else as after windows of size in / out."""
    sizes = list(zip(before[2:], after[2:], strict=True))
    if fields is None or len(fields) != len(sizes) or any(out == 1 < size for size, out in sizes):
        return None
    return tuple(
        field.after_layer(math.ceil(size / out), size / out)
        for field, (size, out) in zip(fields, sizes, strict=True)
    )


def _after_reduction(
    info: TensorInfo, tensor: Tensor, args: Sequence[Any], result: Tensor, depth: int
) -> TensorInfo:
    """After a mean or a sum, a value depends on the whole image, unless only channels were reduced."""
    reduced = args[1] if len(args) > 1 and args[1] is not None else range(tensor.dim())
    axes = {axis % tensor.dim() for axis in ([reduced] if isinstance(reduced, int) else reduced)}
    positions = [axis for axis in range(1, tensor.dim()) if axis != info.channel_axis]
    fields = None if any(axis in axes and tensor.shape[axis] > 1 for axis in positions) else info.fields
    channels = info.channel_axis
    if channels is not None and result.dim() < tensor.dim():
        channels = None if channels in axes else channels - sum(axis < channels for axis in axes)
    return TensorInfo(depth, fields, channels)


def _merge_fields(operands: Sequence[tuple[Tensor, TensorInfo]]) -> _Fields:
    """The fields after a sum, product or concatenation, without gates of one value per channel.

    Squeeze-and-excitation computes such gates from the whole image; published receptive fields leave them out, too.
    """
    largest = max(tensor.numel() for tensor, _ in operands)
    operand_fields = [info.fields for tensor, info in operands if not _is_gate(tensor, info, largest)]
    fields = [field for field in operand_fields if field is not None]
    if not fields or len(fields) < len(operand_fields) or len({len(field) for field in fields}) > 1:
        return None
    return tuple(union(axis) for axis in zip(*fields, strict=True))


def _is_gate(tensor: Tensor, info: TensorInfo, largest: int) -> bool:
    sides = [size for axis, size in enumerate(tensor.shape) if axis not in {0, info.channel_axis}]
    return tensor.numel() < largest and all(size == 1 for size in sides)


def _channel_axis(  # noqa: PLR0911 - one line per kind of operation
    channels: int | None, name: str, tensor: Tensor, args: Sequence[Any], results: Sequence[Tensor]
) -> int | None:
    """The axis that holds the channels after an operation that may move axes."""
    if channels is None or not results:
        return None
    dims = tensor.dim()
    match name:
        case "permute":
            return [axis % dims for axis in args[1]].index(channels)
        case "transpose" | "t":
            first, second = (args[1] % dims, args[2] % dims) if name == "transpose" else (0, 1)
            return {first: second, second: first}.get(channels, channels)
        case "select":
            removed = args[1] % dims
            return None if removed == channels else channels - (removed < channels)
        case _ if tuple(results[0].shape) == tuple(tensor.shape):
            return channels
    before, size = math.prod(tensor.shape[:channels]), tensor.shape[channels]
    shape = results[0].shape
    if name in {"cat", "stack", "slice", "narrow", "constant_pad_nd"} and results[0].dim() == dims:
        return channels
    return next(
        (axis for axis in range(len(shape)) if shape[axis] == size and math.prod(shape[:axis]) == before),
        None,
    )
