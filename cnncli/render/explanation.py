"""The arithmetic of a layer: output size, parameters, multiply-adds, receptive field."""

import math
from collections.abc import Iterator, Sequence

from cnncli.geometry import ReceptiveField
from cnncli.records.anatomy import Row, Shape, Window
from cnncli.text import shape_text

_AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def explanation(row: Row) -> str:
    """The formulas of a layer or block with its numbers put in, one line each."""
    call = f" ({row.call})" if row.call > 1 else ""
    title = f"{row.name or '(network)'}{call}  {row.type_text}"
    shapes = [("shape", f"{_shape(row.inputs)} -> {_shape(row.outputs)}")] if row.call else []
    lines = [*shapes, *_sizes(row), *_parameters(row), *_multiply_adds(row), *_field(row)]
    return "\n".join([title, *(f"  {name:<24}{text}" for name, text in lines)]) + "\n"


def _shape(shapes: Sequence[Shape]) -> str:
    return " and ".join(map(shape_text, shapes))


# ---- sizes


def _sizes(row: Row) -> Iterator[tuple[str, str]]:
    window = row.window
    if window is None or not row.outputs:
        return
    axes = len(window.kernel)
    formulas = [_size(window, axis, row.outputs[0][-axes:][axis]) for axis in range(axes)]
    if len(set(formulas)) == 1 and axes > 1:
        yield " and ".join(_AXES[axes]), formulas[0]
    else:
        yield from zip(_AXES[axes], formulas, strict=True)
    input_size = row.inputs[0][-axes:]
    if window.size != input_size:
        yield "", f"({shape_text(input_size)} padded to {shape_text(window.size)} by the layer itself)"


def _size(window: Window, axis: int, output: int) -> str:
    """`(224 - 3 + 2*1)/1 + 1 = 224`."""
    size, kernel, stride = window.size[axis], window.kernel[axis], window.stride[axis]
    padding, dilation = window.padding[axis], window.dilation[axis]
    span = str(kernel) if dilation == 1 else f"({dilation}*({kernel} - 1) + 1)"
    if window.transposed:
        output_padding = f" + {window.output_padding[axis]}" if window.output_padding[axis] else ""
        padding_text = f" - 2*{padding}" if padding else ""
        return f"({size} - 1)*{stride}{padding_text} + {span}{output_padding} = {output}"
    zeros = f" + 2*{padding}" if padding else ""
    room = size - (dilation * (kernel - 1) + 1) + 2 * padding
    fraction = f"({size} - {span}{zeros})/{stride}"
    if room % stride:
        fraction = f"{'ceil' if window.ceil else 'floor'}({fraction})"
    count = (math.ceil(room / stride) if window.ceil else room // stride) + 1
    if count == output:
        return f"{fraction} + 1 = {output}"
    return f"{fraction} + 1 = {count}; {output} without the last window, which starts beyond the image"


# ---- parameters and multiply-adds


def _parameters(row: Row) -> Iterator[tuple[str, str]]:
    if row.is_block or not row.call:
        if row.parameters:
            yield "parameters", f"{row.parameters:,}"
        return
    if not row.parameters:
        if row.window or row.multiply_adds:
            yield "parameters", "shared with the first call" if row.call > 1 else "none"
        return
    product = _weight_product(row)
    if product is None:
        yield "parameters", f"{row.weights:,} weights + {row.biases:,} biases = {row.parameters:,}"
        return
    biases = f" + {row.biases}" if row.biases else ""
    yield "parameters", f"{product}{biases} = {row.parameters:,}"


def _weight_product(row: Row) -> str | None:
    """`3*3*3*64`; None where the number of weights is not such a product."""
    factors = _factors(row)
    if factors and row.kind == "LocallyConnectedLayer":  # weights of its own at each position
        factors = [*row.outputs[0][2:], *factors]
    if factors is None or math.prod(factors) != row.weights:
        return str(row.weights) if "Norm" in row.kind else None
    return "*".join(map(str, factors))


def _factors(row: Row) -> list[int] | None:
    """Kernel size, input channels per group and output channels; None for other kinds of layers."""
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
    maps = row.inputs[0] if window and window.transposed else outputs
    positions = maps[2:] if window else maps[1:-1]
    product = [*([outputs[0]] if outputs[0] > 1 else []), *positions, *factors]
    if math.prod(product) != row.multiply_adds:
        yield "multiply-adds", f"{row.multiply_adds:,}"
        return
    yield "multiply-adds", f"{'*'.join(map(str, product))} = {row.multiply_adds:,}"


# ---- receptive field


def _field(row: Row) -> Iterator[tuple[str, str]]:
    window, field, before = row.window, row.field, row.input_field
    if field is None or (field.size is None and window is None):
        return
    if field.size is None or field.jump is None:
        yield "receptive field", "the whole image"
        return
    sizes, jumps = field.size, field.jump
    if window is None or before is None or before.size is None or before.jump is None or row.is_block:
        formulas = [(f"{size:g}, jump {jump:g}", "") for size, jump in zip(sizes, jumps, strict=True)]
    else:
        formulas = [
            _field_formulas(
                window, axis, ReceptiveField(*axis_field), ReceptiveField(sizes[axis], jumps[axis])
            )
            for axis, axis_field in enumerate(zip(before.size, before.jump, strict=True))
        ]
    axes = _AXES.get(len(formulas), ())
    if len(set(formulas)) == 1:
        formulas, axes = formulas[:1], ("",)
    for axis, (size, jump) in zip(axes, formulas, strict=True):
        yield f"receptive field {axis}".rstrip(), size
        if jump:
            yield f"jump {axis}".rstrip(), jump


def _field_formulas(
    window: Window, axis: int, before: ReceptiveField, after: ReceptiveField
) -> tuple[str, str]:
    """Size and jump along an axis, as `3 + (3 - 1)*1 = 5` and `1*2 = 2`."""
    kernel, stride, dilation = window.kernel[axis], window.stride[axis], window.dilation[axis]
    step = before.after_transposed_layer if window.transposed else before.after_layer
    if step(kernel, stride, dilation) != after:  # the layer does more than slide a window
        return f"{after.size:g}, jump {after.jump:g}", ""
    growth = f"{dilation}*({kernel} - 1)" if dilation > 1 else f"({kernel} - 1)"
    if window.transposed:
        growth = f"floor({growth}/{stride})" if dilation * (kernel - 1) % stride else f"{growth}/{stride}"
    jump = f"{before.jump:g}{'/' if window.transposed else '*'}{stride} = {after.jump:g}"
    return f"{before.size:g} + {growth}*{before.jump:g} = {after.size:g}", jump
