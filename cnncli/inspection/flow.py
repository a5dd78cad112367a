"""What an operation does to what is known of a tensor: weight layers behind it, and what its values see.

The receptive field follows convolutions, poolings, resizing and layers that work on each position alone. Where
positions are mixed (a fully connected layer on a whole map, attention, a global mean) a value sees all of the image.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from cnncli.geometry import ReceptiveField, joined
from cnncli.records.anatomy import Seen, Shape, Window


@dataclass(frozen=True, slots=True)
class Flow:
    """What is known of a tensor that comes from the image.

    Attributes:
        depth: weight layers behind it.
        fields: what one value sees along each axis of the image; None where that is all of it.
        channels: the axis that holds channels; None where they are mixed with positions.
    """

    depth: int
    fields: tuple[ReceptiveField, ...] | None
    channels: int | None

    @property
    def seen(self) -> Seen:
        """As a record."""
        if self.fields is None:
            return Seen(None, None)
        return Seen(*zip(*((field.size, field.jump, field.start) for field in self.fields), strict=True))


def after(  # noqa: PLR0911 - one line a kind of operation
    packet: Any,  # noqa: ANN401 - torch does not name its type
    args: Sequence[Any],
    operands: Sequence[tuple[Tensor, Flow]],
    results: Sequence[Tensor],
    *,
    has_weights: bool,
) -> tuple[Flow, Window | None]:
    """The flow of an operation's results, and the window where one slid over the input.

    Args:
        packet: the operation, without its overload.
        args: as it was called.
        operands: tensors among them that come from the image.
        results: tensors that came out.
        has_weights: whether parameters went in, too.
    """
    depth = max(flow.depth for _, flow in operands)
    tensor, flow = operands[0]
    name = packet.__name__
    if name == "convolution":
        window = _convolution_window(args)
        return Flow(depth + has_weights, _through(flow.fields, window), 1), window
    if name in _POOLS:
        window = _pooling_window(args, name)
        if flow.fields and len(flow.fields) < len(
            window.kernel
        ):  # over channels, as local response normalisation
            return Flow(depth, flow.fields, flow.channels), None
        return Flow(depth, _through(flow.fields, window), flow.channels), window
    if name.startswith(("adaptive_", "_adaptive_")):
        return Flow(depth, _adapted(flow.fields, tensor.shape, results[0].shape), flow.channels), None
    if name in _PRODUCTS:
        is_pointwise = has_weights and len(operands) == 1 and flow.channels == tensor.dim() - 1
        return Flow(depth + has_weights, flow.fields if is_pointwise else None, results[0].dim() - 1), None
    if "scaled_dot_product" in name or name.startswith(("_fft", "im2col")):
        return Flow(depth, None, results[0].dim() - 1), None
    if name in _REDUCTIONS:
        return _reduced(flow, tensor, args, results[0], depth), None
    if name.startswith("upsample"):
        scales = [
            after / before for before, after in zip(tensor.shape[2:], results[0].shape[2:], strict=True)
        ]
        fields = flow.fields and tuple(f.through(1, 1 / s) for f, s in zip(flow.fields, scales, strict=True))
        return Flow(depth, fields, flow.channels), None
    if name in _PADDINGS and flow.fields:
        return Flow(depth, _padded(flow.fields, args[1]), flow.channels), None
    return Flow(depth, _merged(operands), _moved(flow.channels, name, tensor, args, results)), None


_POOLS = {"max_pool2d_with_indices": 5, "max_pool3d_with_indices": 5, "avg_pool2d": 4, "avg_pool3d": 4}
"""And the place of `ceil_mode` among their arguments."""
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
    given = dict(enumerate(args))
    kernel = _sides(given[1], axes)
    stride = _sides(given.get(2) or kernel, axes)
    padding = _sides(given.get(3, 0), axes)
    dilation = _sides(given.get(4, 1), axes) if name.startswith("max") else (1,) * axes
    is_ceil = bool(given.get(_POOLS[name], False))
    return Window(tuple(args[0].shape[-axes:]), kernel, stride, padding, dilation, ceil=is_ceil)


def _sides(value: Any, axes: int) -> tuple[int, ...]:  # noqa: ANN401 - a number or a list
    values = list(value) if isinstance(value, list | tuple) else [value]
    return tuple(values * axes if len(values) == 1 else values)


_Fields = tuple[ReceptiveField, ...] | None


def _through(fields: _Fields, window: Window) -> _Fields:
    if fields is None or len(fields) != len(window.kernel):
        return None
    sides = zip(fields, window.kernel, window.stride, window.dilation, window.padding, strict=True)
    if window.transposed:
        return tuple(field.spread(*side) for field, *side in sides)
    return tuple(field.through(*side) for field, *side in sides)


def _padded(fields: tuple[ReceptiveField, ...], padding: Sequence[int]) -> _Fields:
    """Through a padding: pairs of what is put before and after, the last axis first."""
    before = [*padding[::2], *[0] * len(fields)][: len(fields)]
    return tuple(field.through(1, padding=side) for field, side in zip(fields, reversed(before), strict=True))


def _adapted(fields: _Fields, before: Shape, after: Shape) -> _Fields:
    """Through an adaptive pooling: whole where one value is left, else as through windows of in / out."""
    sizes = list(zip(before[2:], after[2:], strict=True))
    if fields is None or len(fields) != len(sizes) or any(out == 1 < size for size, out in sizes):
        return None
    return tuple(
        field.through(math.ceil(size / out), size / out)
        for field, (size, out) in zip(fields, sizes, strict=True)
    )


def _reduced(flow: Flow, tensor: Tensor, args: Sequence[Any], result: Tensor, depth: int) -> Flow:
    """Through a mean or a sum: what is left sees all that went in, unless only channels were reduced."""
    given = args[1] if len(args) > 1 and args[1] is not None else range(tensor.dim())
    axes = {axis % tensor.dim() for axis in ([given] if isinstance(given, int) else given)}
    positions = [axis for axis in range(1, tensor.dim()) if axis != flow.channels]
    fields = None if any(axis in axes and tensor.shape[axis] > 1 for axis in positions) else flow.fields
    channels = flow.channels
    if channels is not None and result.dim() < tensor.dim():
        channels = None if channels in axes else channels - sum(axis < channels for axis in axes)
    return Flow(depth, fields, channels)


def _merged(operands: Sequence[tuple[Tensor, Flow]]) -> _Fields:
    """Of a sum, a product, a concatenation: the widest; a gate of one value a channel does not count.

    (Squeeze-and-excitation computes such gates from the whole image; the literature leaves them out, too.)
    """
    largest = max(tensor.numel() for tensor, _ in operands)
    kept = [flow.fields for tensor, flow in operands if not _is_gate(tensor, flow, largest)]
    fields = [field for field in kept if field is not None]
    if not fields or len(fields) < len(kept) or len({len(field) for field in fields}) > 1:
        return None
    return tuple(joined(axis) for axis in zip(*fields, strict=True))


def _is_gate(tensor: Tensor, flow: Flow, largest: int) -> bool:
    sides = [size for axis, size in enumerate(tensor.shape) if axis not in {0, flow.channels}]
    return tensor.numel() < largest and all(size == 1 for size in sides)


def _moved(  # noqa: PLR0911 - one line a kind of operation
    channels: int | None, name: str, tensor: Tensor, args: Sequence[Any], results: Sequence[Tensor]
) -> int | None:
    """Where the axis of the channels is after an operation that moves axes."""
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
