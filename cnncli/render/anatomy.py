"""Summaries of networks as a table, Markdown, CSV and JSON."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cnncli.dataclass import frozen_dataclass
from cnncli.records.anatomy import Anatomy, Row, Shape, Summary, Window
from cnncli.render.columns import Column, rows
from cnncli.text import counted, csv_row, printable, shape_text, short, sides_text, size


@frozen_dataclass
class _Field:
    """A column of a summary.

    Attributes:
        title: header of the column.
        text: the cell of a row.
        importance: columns of the least importance are dropped first where the terminal is narrow.
        is_number: align right.
    """

    title: str
    text: Callable[[Row], str]
    importance: int
    is_number: bool = True


def _of_window(value: Callable[[Window], Sequence[int]]) -> Callable[[Row], str]:
    return lambda row: sides_text(value(row.window)) if row.window else ""


def _trainable_text(row: Row) -> str:
    if not row.parameters:
        return ""
    return "no" if row.frozen == row.parameters else "partly" if row.frozen else "yes"


FIELDS = {
    "name": _Field(
        "layer", lambda row: row.name + (f" ({row.call})" if row.call > 1 else ""), 20, is_number=False
    ),
    "type": _Field("type", lambda row: row.type_text, 15, is_number=False),
    "kernel": _Field("kernel", _of_window(lambda window: window.kernel), 14),
    "stride": _Field("stride", _of_window(lambda window: window.stride), 12),
    "padding": _Field("pad", _of_window(lambda window: window.padding), 10),
    "dilation": _Field("dilation", _of_window(lambda window: window.dilation), 4),
    "groups": _Field("groups", lambda row: str(row.window.groups) if row.window else "", 5),
    "input": _Field("input", lambda row: _shapes(row.inputs), 7),
    "output": _Field("output", lambda row: _shapes(row.outputs), 18),
    "params": _Field("parameters", lambda row: f"{row.parameters:,}" if row.parameters else "", 19),
    "trainable": _Field("trainable", _trainable_text, 3, is_number=False),
    "macs": _Field("mult-adds", lambda row: short(row.multiply_adds) if row.multiply_adds else "", 17),
    "field": _Field("field", lambda row: _field_text(row, "size"), 11),
    "jump": _Field("jump", lambda row: _field_text(row, "jump"), 8),
    "memory": _Field("memory", lambda row: size(row.activation_bytes) if row.activation_bytes else "", 6),
}
"""All columns of a summary by the name that `--columns` takes, from left to right."""

_DEFAULT_CELLS = {"dilation": {"", "1"}, "groups": {"", "1"}, "trainable": {"", "yes"}, "padding": {"", "0"}}
"""A column in which all cells are among these is omitted, unless `--columns` names it."""


def summary_table(summary: Summary, names: Sequence[str], width: int | None) -> str:
    """The rows and totals of a network as a table.

    Args:
        summary: to show.
        names: of the columns; empty for all that carry information.
        width: of the terminal in characters; None where there is none.
    """
    lines = rows([_column(name, summary.rows) for name in names or _informative(summary.rows)], width)
    return "\n".join([_head(summary.anatomy), "", *lines, "", *_totals(summary)]) + "\n"


def summary_markdown(summary: Summary, names: Sequence[str]) -> str:
    """The rows and totals of a network as a Markdown table and a list."""
    columns = [_column(name, summary.rows) for name in names or _informative(summary.rows)]
    ruler = ["---:" if column.is_number else "---" for column in columns]
    lines = [
        [column.title for column in columns],
        ruler,
        *zip(*(column.cells for column in columns), strict=True),
    ]
    table = ["| " + " | ".join(line) + " |" for line in lines]
    totals = [f"- {line}" for line in _totals(summary)]
    return "\n".join([_head(summary.anatomy), "", *table, "", *totals]) + "\n"


def comparison(summaries: Sequence[Summary], width: int | None) -> str:
    """The totals of several networks, one row per network."""
    anatomies = [summary.anatomy for summary in summaries]
    totals = [anatomy.totals for anatomy in anatomies]
    columns = [
        Column("network", [anatomy.name for anatomy in anatomies], importance=9),
        Column("input", [_shape(anatomy.input) for anatomy in anatomies], is_number=True, importance=3),
        Column("parameters", [f"{total.parameters:,}" for total in totals], is_number=True, importance=8),
        Column("mult-adds", [short(total.multiply_adds) for total in totals], is_number=True, importance=7),
        Column("weights", [size(total.weight_bytes) for total in totals], is_number=True, importance=2),
        Column("activations", [size(total.peak_bytes) for total in totals], is_number=True, importance=4),
        Column("depth", [str(total.depth) for total in totals], is_number=True, importance=5),
    ]
    is_published = [item.top1 is not None for item in summaries]
    if any(is_published):
        top1 = [f"{item.top1:.1f}" if item.top1 else "" for item in summaries]
        columns.append(Column("top-1", top1, is_number=True, importance=6))
    lines = rows(columns, width)
    if any(is_published) and not all(is_published):
        lines += ["", "top-1: as published by torchvision for its own weights; timm does not publish it"]
    return "\n".join(lines) + "\n"


def summary_csv(summaries: Sequence[Summary]) -> str:
    """One line per row with exact numbers; the first column is the network's name."""
    objects = [{"model": item.anatomy.name} | _flat(row) for item in summaries for row in item.rows]
    return "".join(map(csv_row, [list(objects[0]), *(list(item.values()) for item in objects)]))


def summary_json(summaries: Sequence[Summary]) -> str:
    """All numbers: an object for one network, a list for several."""
    objects = [_object(summary) for summary in summaries]
    return json.dumps(objects[0] if len(objects) == 1 else objects, indent=2, ensure_ascii=False) + "\n"


# ---- cells


def _shape(shape: Shape) -> str:
    """`3x224x224`; with the batch size if that is more than one."""
    return shape_text(shape[1:] if shape[:1] == (1,) and len(shape) > 1 else shape)


def _shapes(shapes: Iterable[Shape]) -> str:
    return " ".join(map(_shape, shapes))


def _field_text(row: Row, quantity: str) -> str:
    """The `size` or `jump` of the receptive field; `all` for the size of the whole image."""
    if row.field is None:
        return ""
    values = row.field.size if quantity == "size" else row.field.jump
    if values is None:
        return "all" if quantity == "size" else ""
    texts = [f"{value:g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else "x".join(texts)


def _column(name: str, network: Sequence[Row]) -> Column:
    field = FIELDS[name]
    return Column(field.title, [field.text(row) for row in network], field.is_number, field.importance)


def _informative(network: Sequence[Row]) -> list[str]:
    """The names of the columns that are not empty or at their defaults for this network."""
    return [
        name
        for name, field in FIELDS.items()
        if not {field.text(row) for row in network} <= _DEFAULT_CELLS.get(name, {""})
    ]


# ---- head and totals


def _head(anatomy: Anatomy) -> str:
    count, *shape = anatomy.input
    return f"{printable(anatomy.name)}, {counted(count, 'image' if shape[1:] else 'vector')} of {_shape((1, *shape))}, {anatomy.dtype}"


def _totals(summary: Summary) -> list[str]:
    totals = summary.anatomy.totals
    frozen, uncalled = totals.parameters - totals.trainable, summary.anatomy.uncalled_parameters
    remarks = [
        f"{totals.trainable:,} trainable, {frozen:,} frozen" if frozen else "",
        f"{totals.parameters - uncalled:,} without modules that are never called" if uncalled else "",
    ]
    remark = "; ".join(filter(None, remarks))
    parameters = f"{totals.parameters:,}" + (f" ({remark})" if remark else "")
    flops = 2 * totals.multiply_adds
    training = (
        f"training unknown: {totals.training_error}"
        if totals.training_bytes is None
        else f"{_megabytes(totals.training_bytes)} for training"
    )
    lines = {
        "parameters": parameters,
        "multiply-adds": f"{totals.multiply_adds:,} ({short(flops)} FLOPs)",
        "weights": _megabytes(totals.weight_bytes),
        "activations": f"{_megabytes(totals.activation_bytes)} total, {_megabytes(totals.peak_bytes)} peak, {training}",
        "depth": counted(totals.depth, "weight layer"),
        "ImageNet top-1": f"{summary.top1:.1f} %" if summary.top1 else "",
    }
    return [f"{name:<15} {value}" for name, value in lines.items() if value]


def _megabytes(count: int) -> str:
    megabytes = count / 1e6
    return f"{megabytes:,.1f} MB" if megabytes >= 1 else f"{megabytes:.3g} MB"


# ---- for programs


def _object(summary: Summary) -> dict[str, Any]:
    anatomy, totals = summary.anatomy, summary.anatomy.totals
    return {
        "model": anatomy.name,
        "input": list(anatomy.input),
        "dtype": anatomy.dtype,
        "layers": [_layer(row) for row in summary.rows],
        "totals": {
            "parameters": totals.parameters,
            "trainable": totals.trainable,
            "frozen": totals.parameters - totals.trainable,
            "multiply_adds": totals.multiply_adds,
            "flops": 2 * totals.multiply_adds,
            "weight_bytes": totals.weight_bytes,
            "activation_bytes": totals.activation_bytes,
            "peak_activation_bytes": totals.peak_bytes,
            "training_activation_bytes": totals.training_bytes,
            "training_error": totals.training_error,
            "uncalled_parameters": anatomy.uncalled_parameters,
            "depth": totals.depth,
        },
        "top1": summary.top1,
    }


def _layer(row: Row) -> dict[str, Any]:
    window, field = row.window, row.field
    return {
        "name": row.name,
        "type": row.kind,
        "call": row.call or None,
        "block": row.is_block,
        "kernel": list(window.kernel) if window else None,
        "stride": list(window.stride) if window else None,
        "padding": list(window.padding) if window else None,
        "dilation": list(window.dilation) if window else None,
        "groups": window.groups if window else None,
        "input": [list(shape) for shape in row.inputs],
        "output": [list(shape) for shape in row.outputs],
        "weights": row.weights,
        "biases": row.biases,
        "parameters": row.parameters,
        "frozen": row.frozen,
        "multiply_adds": row.multiply_adds,
        "receptive_field": list(field.size) if field and field.size else None,
        "jump": list(field.jump) if field and field.jump else None,
        "activation_bytes": row.activation_bytes,
    }


def _flat(row: Row) -> dict[str, Any]:
    """The JSON object of a row with lists as text: `3x3`, and several shapes separated by spaces."""

    def text(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, list) and value and isinstance(value[0], list):
            return " ".join(map(shape_text, value))
        return "x".join(f"{item:g}" for item in value) if isinstance(value, list) else value

    return {name: text(value) for name, value in _layer(row).items()}
