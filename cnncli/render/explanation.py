"""A layer's arithmetic in words and numbers, as it is done on a blackboard."""

import math
from collections.abc import Iterator, Sequence

from cnncli.geometry import ReceptiveField
from cnncli.records.anatomy import Row, Shape, Window

_AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def explanation(row: Row) -> str:
    """What a layer does to sizes, and how its parameters and multiply-adds come about."""
    again = f" ({row.call})" if row.call > 1 else ""
    kind = row.kind if row.call else f"{row.kind} (not called)".strip()
    title = f"{row.name or 'the network itself'}{again}  {kind}"
    shapes = [("shape", f"{_shape(row.inputs)} -> {_shape(row.outputs)}")] if row.call else []
    lines = [*shapes, *_sizes(row), *_parameters(row), *_multiply_adds(row), *_field(row)]
    return "\n".join([title, *(f"  {name:<24}{text}" for name, text in lines)]) + "\n"


def _shape(shapes: Sequence[Shape]) -> str:
    return " and ".join("x".join(map(str, shape)) for shape in shapes)


# ---- sizes


def _sizes(row: Row) -> Iterator[tuple[str, str]]:
    window = row.window
    if window is None or not row.outputs:
        return
    axes = len(window.kernel)
    told = [_size(window, axis, row.outputs[0][-axes:][axis]) for axis in range(axes)]
    if len(set(told)) == 1 and axes > 1:
        yield " and ".join(_AXES[axes]), told[0]
    else:
        yield from zip(_AXES[axes], told, strict=True)
    given = row.inputs[0][-axes:]
    if window.size != given:
        yield (
            "",
            f"({'x'.join(map(str, given))} padded to {'x'.join(map(str, window.size))} by the layer itself)",
        )


def _size(window: Window, axis: int, output: int) -> str:
    """`(224 - 3 + 2*1)/1 + 1 = 224`."""
    size, kernel, stride = window.size[axis], window.kernel[axis], window.stride[axis]
    padding, dilation = window.padding[axis], window.dilation[axis]
    reach = str(kernel) if dilation == 1 else f"({dilation}*({kernel} - 1) + 1)"
    pads = f" + 2*{padding}" if padding else ""
    if window.transposed:
        more = f" + {window.output_padding[axis]}" if window.output_padding[axis] else ""
        less = f" - 2*{padding}" if padding else ""
        return f"({size} - 1)*{stride}{less} + {reach}{more} = {output}"
    room = size - (dilation * (kernel - 1) + 1) + 2 * padding
    fraction = f"({size} - {reach}{pads})/{stride}"
    if room % stride:
        fraction = f"{'ceil' if window.ceil else 'floor'}({fraction})"
    found = (math.ceil(room / stride) if window.ceil else room // stride) + 1
    if found == output:
        return f"{fraction} + 1 = {output}"
    return f"{fraction} + 1 = {found}, less the last window, which begins beyond the image: {output}"


# ---- parameters and multiply-adds


def _parameters(row: Row) -> Iterator[tuple[str, str]]:
    if row.is_block or not row.call:
        if row.parameters:
            yield "parameters", f"{row.parameters:,}"
        return
    if not row.parameters:
        if row.window or row.multiply_adds:
            yield "parameters", "those of the first call" if row.call > 1 else "none"
        return
    sum_ = _weights(row)
    if sum_ is None:
        yield "parameters", f"{row.weights:,} weights + {row.biases:,} biases = {row.parameters:,}"
        return
    biases = f" + {row.biases}" if row.biases else ""
    yield "parameters", f"{sum_}{biases} = {row.parameters:,}"


def _weights(row: Row) -> str | None:
    """`3*3*3*64`, where the layer is of a kind whose weights are a product."""
    factors = _factors(row)
    if factors is None or math.prod(factors) != row.weights:
        return str(row.weights) if "Norm" in row.kind else None
    return "*".join(map(str, factors))


def _factors(row: Row) -> list[int] | None:
    """Kernel, channels in, channels out."""
    window = row.window
    inputs, outputs = row.inputs[0], row.outputs[0]
    if window and len(inputs) > len(window.kernel) + 1:
        return [*window.kernel, inputs[1] // window.groups, outputs[1]]
    if row.kind.endswith("Linear"):
        return [inputs[-1], outputs[-1]]
    return None


def _multiply_adds(row: Row) -> Iterator[tuple[str, str]]:
    if not row.multiply_adds:
        return
    factors = None if row.is_block else _factors(row)
    if factors is None:
        yield "multiply-adds", f"{row.multiply_adds:,}"
        return
    outputs, window = row.outputs[0], row.window
    places = row.inputs[0][2:] if window and window.transposed else outputs[2:] if window else outputs[1:-1]
    product = [*([outputs[0]] if outputs[0] > 1 else []), *places, *factors]
    if math.prod(product) != row.multiply_adds:
        yield "multiply-adds", f"{row.multiply_adds:,}"
        return
    yield "multiply-adds", f"{'*'.join(map(str, product))} = {row.multiply_adds:,}"


# ---- receptive field


def _field(row: Row) -> Iterator[tuple[str, str]]:
    window, seen, before = row.window, row.seen, row.seen_before
    if seen is None or (seen.size is None and window is None):
        return
    if seen.size is None or seen.jump is None:
        yield "receptive field", "the whole image"
        return
    sizes, jumps = seen.size, seen.jump
    if window is None or before is None or before.size is None or before.jump is None or row.is_block:
        told = [(f"{size:g}, jump {jump:g}", "") for size, jump in zip(sizes, jumps, strict=True)]
    else:
        was = zip(before.size, before.jump, strict=True)
        told = [
            _step(window, axis, ReceptiveField(*field), ReceptiveField(sizes[axis], jumps[axis]))
            for axis, field in enumerate(was)
        ]
    axes = _AXES.get(len(told), ())
    if len(set(told)) == 1:
        told, axes = told[:1], ("",)
    for axis, (size, jump) in zip(axes, told, strict=True):
        yield f"receptive field {axis}".rstrip(), size
        if jump:
            yield f"jump {axis}".rstrip(), jump


def _step(window: Window, axis: int, before: ReceptiveField, after: ReceptiveField) -> tuple[str, str]:
    """`3 + (3 - 1)*1 = 5`, and `1*2 = 2`."""
    kernel, stride, dilation = window.kernel[axis], window.stride[axis], window.dilation[axis]
    found = (before.spread if window.transposed else before.through)(kernel, stride, dilation)
    if found != after:  # the layer does more than slide a window
        return f"{after.size:g}, jump {after.jump:g}", ""
    reach = f"{dilation}*({kernel} - 1)" if dilation > 1 else f"({kernel} - 1)"
    if window.transposed:
        further = f"floor({reach}/{stride})" if dilation * (kernel - 1) % stride else f"{reach}/{stride}"
        return (
            f"{before.size:g} + {further}*{before.jump:g} = {after.size:g}",
            f"{before.jump:g}/{stride} = {after.jump:g}",
        )
    return (
        f"{before.size:g} + {reach}*{before.jump:g} = {after.size:g}",
        f"{before.jump:g}*{stride} = {after.jump:g}",
    )
