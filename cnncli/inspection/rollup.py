"""The rows of a summary: one per layer, or one per block at some depth. Needs no torch.

The parameters and multiply-adds of the rows add up to those of the network.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from cnncli.errors import UsageError
from cnncli.records.anatomy import Layer, Row


def rows(layers: Sequence[Layer], depth: int | None = None) -> list[Row]:
    """The rows of a summary, in the order of the calls.

    Args:
        layers: of an anatomy; the first is the network itself.
        depth: modules nested deeper than this are rolled up into the row of the block around them; None for no limit.
    """
    calls = [layer for layer in layers if layer.call]
    return [*_rows(calls, depth), *_uncalled_rows([layer for layer in layers if not layer.call], depth)]


def rows_named(layers: Sequence[Layer], name: str) -> list[Row]:
    """A row for each call of the layer or block of that name, at any depth."""
    calls = [layer for layer in layers if layer.call]
    matches = [
        _row(layer, calls[index : _end(calls, index)], is_block=_end(calls, index) > index + 1)
        for index, layer in enumerate(calls)
        if layer.name == name
    ]
    inside = [
        layer
        for layer in layers
        if not layer.call and (layer.name == name or layer.name.startswith(f"{name}."))
    ]
    return matches or list(_uncalled_rows(inside, name.count(".") + 1))


def _rows(layers: Sequence[Layer], depth: int | None) -> Iterator[Row]:
    position = 0
    while position < len(layers):
        layer = layers[position]
        end = _end(layers, position)
        inside = layers[position:end]
        if len(inside) > 1 and depth is not None and layer.level >= depth:
            yield _row(layer, inside, is_block=True)
            position = end
            continue
        if len(inside) == 1 or layer.parameters or layer.multiply_adds:
            yield _row(layer, [layer], is_block=False)
        position += 1


def _end(layers: Sequence[Layer], position: int) -> int:
    """The index after the last layer inside the one at a position."""
    level = layers[position].level
    return next(
        (later for later in range(position + 1, len(layers)) if layers[later].level <= level), len(layers)
    )


def _uncalled_rows(layers: Sequence[Layer], depth: int | None) -> Iterator[Row]:
    """Rows of modules with parameters that are never called, such as auxiliary heads in evaluation mode."""
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        parts = layer.name.split(".")
        groups.setdefault(layer.name if depth is None else ".".join(parts[: max(depth, 1)]), []).append(layer)
    for name, group in groups.items():
        only = group[0] if len(group) == 1 and group[0].name == name else None
        yield (
            _row(only, group, is_block=False)
            if only
            else _row(_as_block(group[0], name), group, is_block=True)
        )


def _as_block(layer: Layer, name: str) -> Layer:
    return dataclasses.replace(layer, name=name, kind="")


def _row(layer: Layer, inside: Sequence[Layer], *, is_block: bool) -> Row:
    leaves = [part for part in inside if part.is_leaf]
    return Row(
        name=layer.name,
        kind=layer.kind,
        call=layer.call,
        is_block=is_block,
        window=layer.window,
        inputs=layer.inputs,
        outputs=layer.outputs,
        weights=sum(part.weights for part in inside),
        biases=sum(part.biases for part in inside),
        frozen=sum(part.frozen for part in inside),
        multiply_adds=sum(part.multiply_adds for part in inside),
        activation_bytes=sum(part.activation_bytes for part in leaves),
        input_field=layer.input_field,
        field=layer.field,
        is_used=any(part.is_used for part in inside),
    )


_SORT_KEYS: dict[str, Callable[[Row], float]] = {
    "params": lambda row: row.parameters,
    "macs": lambda row: row.multiply_adds,
    "memory": lambda row: row.activation_bytes,
    "field": lambda row: max(row.field.size) if row.field and row.field.size else 0,
}


def select_rows(rows: Sequence[Row], kinds: Sequence[str], order: str | None) -> list[Row]:
    """Filter and sort the rows of a summary.

    Args:
        rows: all rows.
        kinds: only layers whose type contains one of these words, in lower case; empty for all.
        order: params, macs, memory or field, largest first; None for the order of the calls.

    Raises:
        UsageError: no layer matches, or there is no such order.
    """
    matches = [row for row in rows if not kinds or any(kind in row.kind.lower() for kind in kinds)]
    if not matches:
        types = ", ".join(sorted({row.kind for row in rows}))
        raise UsageError(f"no layer's type contains {' or '.join(kinds)}", f"types: {types}")
    if order is None:
        return matches
    if order not in _SORT_KEYS:
        raise UsageError(f"cannot sort by {order!r}", f"sort by {', '.join(_SORT_KEYS)}")
    return sorted(matches, key=_SORT_KEYS[order], reverse=True)
