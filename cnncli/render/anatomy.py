"""Summaries of networks: a table for people, Markdown for their notes, csv and JSON for programs."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cnncli.records.anatomy import Anatomy, Row, Shape, Summary, Window
from cnncli.render.columns import Column, rows
from cnncli.text import counted, short, size


@dataclass(frozen=True, slots=True)
class _Field:
    """A column of a summary.

    Attributes:
        title: at its top.
        text: a row's cell, for people.
        importance: columns of less go first where room is short.
        is_number: aligned right.
    """

    title: str
    text: Callable[[Row], str]
    importance: int
    is_number: bool = True


def _of_window(value: Callable[[Window], Sequence[int]]) -> Callable[[Row], str]:
    return lambda row: sides(value(row.window)) if row.window else ""


def _trains(row: Row) -> str:
    if not row.parameters:
        return ""
    return "no" if row.frozen == row.parameters else "in part" if row.frozen else "yes"


FIELDS = {
    "name": _Field(
        "layer", lambda row: row.name + (f" ({row.call})" if row.call > 1 else ""), 20, is_number=False
    ),
    "type": _Field(
        "type", lambda row: row.kind if row.call else f"{row.kind} (not called)".strip(), 15, is_number=False
    ),
    "kernel": _Field("kernel", _of_window(lambda window: window.kernel), 14),
    "stride": _Field("stride", _of_window(lambda window: window.stride), 12),
    "padding": _Field("pad", _of_window(lambda window: window.padding), 10),
    "dilation": _Field("dilation", _of_window(lambda window: window.dilation), 4),
    "groups": _Field("groups", lambda row: str(row.window.groups) if row.window else "", 5),
    "input": _Field("input", lambda row: _shapes(row.inputs), 7),
    "output": _Field("output", lambda row: _shapes(row.outputs), 18),
    "params": _Field("parameters", lambda row: f"{row.parameters:,}" if row.parameters else "", 19),
    "trainable": _Field("trains", _trains, 3, is_number=False),
    "macs": _Field("mult-adds", lambda row: short(row.multiply_adds) if row.multiply_adds else "", 17),
    "field": _Field("field", lambda row: _seen(row, "size"), 11),
    "jump": _Field("jump", lambda row: _seen(row, "jump"), 8),
    "memory": _Field("memory", lambda row: size(row.activation_bytes) if row.activation_bytes else "", 6),
}
"""All columns of a summary by the name that `--columns` knows, from left to right."""

_PLAIN = {"dilation": {"", "1"}, "groups": {"", "1"}, "trainable": {"", "yes"}, "padding": {"", "0"}}
"""What a column is left out for, where every row says it and nobody asked for the column."""


def summary_table(summary: Summary, names: Sequence[str], width: int | None) -> str:
    """A network's rows and totals.

    Args:
        summary: what to show.
        names: of the columns that were asked for; empty for all that say something.
        width: of the terminal; None where there is none.
    """
    lines = rows([_column(name, summary.rows) for name in names or _telling(summary.rows)], width)
    return "\n".join([*_head(summary.anatomy), "", *lines, "", *_totals(summary)]) + "\n"


def summary_markdown(summary: Summary, names: Sequence[str]) -> str:
    """The same as a Markdown table, in full width."""
    columns = [_column(name, summary.rows) for name in names or _telling(summary.rows)]
    ruler = ["---:" if column.is_number else "---" for column in columns]
    lines = [
        [column.title for column in columns],
        ruler,
        *zip(*(column.cells for column in columns), strict=True),
    ]
    table = ["| " + " | ".join(line) + " |" for line in lines]
    totals = [f"- {line}" for line in _totals(summary)]
    return "\n".join([*_head(summary.anatomy), "", *table, "", *totals]) + "\n"


def comparison(summaries: Sequence[Summary], width: int | None) -> str:
    """The totals of several networks, one a line."""
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
        Column(
            "top-1",
            [f"{item.top1:.1f}" if item.top1 else "" for item in summaries],
            is_number=True,
            importance=6,
        ),
    ]
    lines = rows(columns, width)
    if any(item.top1 is None for item in summaries):
        lines += ["", "top-1 is torchvision's, for its own weights; timm publishes none with its names"]
    return "\n".join(lines) + "\n"


def summary_csv(summaries: Sequence[Summary]) -> str:
    """One line a row, everything exact, the network's name first."""
    text = io.StringIO()
    objects = [{"model": item.anatomy.name} | _flat(row) for item in summaries for row in item.rows]
    lines = csv.DictWriter(text, list(objects[0]), lineterminator="\n")
    lines.writeheader()
    lines.writerows(objects)
    return text.getvalue()


def summary_json(summaries: Sequence[Summary]) -> str:
    """Everything there is: an object for one network, a list for several."""
    objects = [_object(summary) for summary in summaries]
    return json.dumps(objects[0] if len(objects) == 1 else objects, indent=2, ensure_ascii=False) + "\n"


# ---- cells


def sides(values: Sequence[int]) -> str:
    """`3` for (3, 3), `3x5` for (3, 5)."""
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))


def _shape(shape: Shape) -> str:
    """Without the batch, unless it is more than one image."""
    return "x".join(map(str, shape[1:] if shape[:1] == (1,) and len(shape) > 1 else shape))


def _shapes(shapes: Iterable[Shape]) -> str:
    return " ".join(map(_shape, shapes))


def _seen(row: Row, what: str) -> str:
    """What one value sees; `all` where that is the whole image."""
    if row.seen is None:
        return ""
    values = row.seen.size if what == "size" else row.seen.jump
    if values is None:
        return "all" if what == "size" else ""
    texts = [f"{value:g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else "x".join(texts)


def _column(name: str, network: Sequence[Row]) -> Column:
    field = FIELDS[name]
    return Column(field.title, [field.text(row) for row in network], field.is_number, field.importance)


def _telling(network: Sequence[Row]) -> list[str]:
    """The columns that say something about this network."""
    return [
        name
        for name, field in FIELDS.items()
        if not {field.text(row) for row in network} <= _PLAIN.get(name, {""})
    ]


# ---- head and totals


def _head(anatomy: Anatomy) -> list[str]:
    images = "image" if anatomy.input[0] == 1 else "images"
    return [
        f"{anatomy.name}, {anatomy.input[0]} {images} of {_shape((1, *anatomy.input[1:]))}, {anatomy.dtype}"
    ]


def _totals(summary: Summary) -> list[str]:
    totals = summary.anatomy.totals
    frozen, uncalled = totals.parameters - totals.trainable, summary.anatomy.uncalled
    remarks = [
        f"{totals.trainable:,} trainable, {frozen:,} frozen" if frozen else "",
        f"{totals.parameters - uncalled:,} without what was not called" if uncalled else "",
    ]
    told = "; ".join(filter(None, remarks))
    parameters = f"{totals.parameters:,}" + (f" ({told})" if told else "")
    flops = 2 * totals.multiply_adds
    kept = (
        f"unknown for training: {totals.training_obstacle}"
        if totals.training_bytes is None
        else f"{_megabytes(totals.training_bytes)} kept for training"
    )
    facts = {
        "parameters": parameters,
        "multiply-adds": f"{totals.multiply_adds:,} ({short(flops)} FLOPs)",
        "weights": _megabytes(totals.weight_bytes),
        "activations": f"{_megabytes(totals.activation_bytes)} in all, {_megabytes(totals.peak_bytes)} at once, {kept}",
        "depth": counted(totals.depth, "weight layer"),
        "ImageNet top-1": f"{summary.top1:.1f} %" if summary.top1 else "",
    }
    return [f"{name:<15} {value}" for name, value in facts.items() if value]


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
            "training_obstacle": totals.training_obstacle,
            "uncalled_parameters": anatomy.uncalled,
            "depth": totals.depth,
        },
        "top1": summary.top1,
    }


def _layer(row: Row) -> dict[str, Any]:
    window, seen = row.window, row.seen
    return {
        "name": row.name,
        "type": row.kind,
        "call": row.call,
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
        "receptive_field": list(seen.size) if seen and seen.size else None,
        "jump": list(seen.jump) if seen and seen.jump else None,
        "activation_bytes": row.activation_bytes,
    }


def _flat(row: Row) -> dict[str, Any]:
    """An object's lists as text: 3x3, and shapes with a blank between."""

    def text(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, list) and value and isinstance(value[0], list):
            return " ".join("x".join(map(str, inner)) for inner in value)
        return "x".join(f"{item:g}" for item in value) if isinstance(value, list) else value

    return {name: text(value) for name, value in _layer(row).items()}
