"""Layers to the rows of a summary: every layer, or blocks rolled up at some depth. Knows no torch.

Nothing is lost on the way: the rows' parameters and multiply-adds add up to the network's.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from cnncli.errors import UsageError
from cnncli.records.anatomy import Layer, Row


def rows(layers: Sequence[Layer], depth: int | None = None) -> list[Row]:
    """The rows of a summary, in the order of the calls.

    Args:
        layers: of an anatomy; the first is the network itself.
        depth: modules within so many others are the last to have a row of their own; None is every one.
    """
    called = [layer for layer in layers if layer.call]
    return [*_rows(called, depth), *_never_called([layer for layer in layers if not layer.call], depth)]


def named(layers: Sequence[Layer], name: str) -> list[Row]:
    """A row for each call of the layer or block of that name, whatever depth it lies at."""
    called = [layer for layer in layers if layer.call]
    found = [
        _row(layer, called[place : _end(called, place)], is_block=_end(called, place) > place + 1)
        for place, layer in enumerate(called)
        if layer.name == name
    ]
    inside = [
        layer
        for layer in layers
        if not layer.call and (layer.name == name or layer.name.startswith(f"{name}."))
    ]
    return found or list(_never_called(inside, name.count(".") + 1))


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
    """Where what is inside a layer ends."""
    level = layers[position].level
    return next(
        (later for later in range(position + 1, len(layers)) if layers[later].level <= level), len(layers)
    )


def _never_called(layers: Sequence[Layer], depth: int | None) -> Iterator[Row]:
    """Parameters that took no part in this pass, such as auxiliary heads while predicting."""
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        parts = layer.name.split(".")
        groups.setdefault(layer.name if depth is None else ".".join(parts[: max(depth, 1)]), []).append(layer)
    for name, group in groups.items():
        only = group[0] if len(group) == 1 and group[0].name == name else None
        yield (
            _row(only, group, is_block=False)
            if only
            else _row(_renamed(group[0], name), group, is_block=True)
        )


def _renamed(layer: Layer, name: str) -> Layer:
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
        seen_before=layer.seen_before,
        seen=layer.seen,
    )


_SORTED_BY: dict[str, Callable[[Row], float]] = {
    "params": lambda row: row.parameters,
    "macs": lambda row: row.multiply_adds,
    "memory": lambda row: row.activation_bytes,
    "field": lambda row: max(row.seen.size) if row.seen and row.seen.size else 0,
}


def chosen(rows: Sequence[Row], kinds: Sequence[str], order: str | None) -> list[Row]:
    """Some of the rows.

    Args:
        rows: of a summary.
        kinds: only layers whose type has one of these words in it; empty for all.
        order: largest first by this: params, macs, memory, field; None leaves them as they were called.

    Raises:
        UsageError: no such order, or no such layer.
    """
    kept = [row for row in rows if not kinds or any(kind in row.kind.lower() for kind in kinds)]
    if not kept:
        there = ", ".join(sorted({row.kind for row in rows}))
        raise UsageError(f"no layer's type has {' or '.join(kinds)} in it", f"there are {there}")
    if order is None:
        return kept
    if order not in _SORTED_BY:
        raise UsageError(f"cannot sort by {order!r}", f"sort by {', '.join(_SORTED_BY)}")
    return sorted(kept, key=_SORTED_BY[order], reverse=True)
