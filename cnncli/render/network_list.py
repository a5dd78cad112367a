"""Lists of networks as a table, CSV and JSON."""

import json
from collections.abc import Sequence

from cnncli.records.listing import ListEntry, ListFormat
from cnncli.render.columns import Column, rows
from cnncli.text import csv_row, short, size

_FIELDS = (
    "name",
    "source",
    "classes",
    "parameters",
    "multiply_adds",
    "height",
    "width",
    "top1",
    "top5",
    "pretrained",
    "prepared",
    "bytes",
    "package",
)


def network_list(networks: Sequence[ListEntry], format_: ListFormat, width: int | None) -> str:
    """A list of networks as text.

    Args:
        networks: in their order.
        format_: of the output.
        width: of the terminal in characters, for a table; None where there is none.
    """
    match format_:
        case ListFormat.TABLE:
            return "".join(f"{line}\n" for line in _table(networks, width))
        case ListFormat.CSV:
            return "".join(map(csv_row, [_FIELDS, *map(_values, networks)]))
        case ListFormat.JSON:
            objects = [dict(zip(_FIELDS, _values(item), strict=True)) for item in networks]
            return json.dumps(objects, indent=2, ensure_ascii=False) + "\n"


def _table(networks: Sequence[ListEntry], width: int | None) -> list[str]:
    entries = [item.entry for item in networks]
    columns = [
        Column("name", [entry.name for entry in entries], importance=9),
        Column("source", [entry.library for entry in entries], importance=0),
        Column(
            "classes",
            [f"{entry.num_classes:,}" if entry.num_classes else "none" for entry in entries],
            is_number=True,
            importance=1,
        ),
        Column("params", [_short(entry.parameters) for entry in entries], is_number=True, importance=7),
        Column("mult-adds", [_short(entry.multiply_adds) for entry in entries], is_number=True, importance=5),
        Column(
            "input", ["{}x{}".format(*entry.image_size) for entry in entries], is_number=True, importance=4
        ),
        Column(
            "top-1",
            [f"{entry.top1:.1f}" if entry.top1 else "" for entry in entries],
            is_number=True,
            importance=6,
        ),
        Column(
            "top-5",
            [f"{entry.top5:.1f}" if entry.top5 else "" for entry in entries],
            is_number=True,
            importance=2,
        ),
        Column("on disk", [_on_disk(item) for item in networks], is_number=True, importance=8),
    ]
    return rows(columns, width)


def _short(number: int | None) -> str:
    return "" if number is None else short(number)


def _on_disk(item: ListEntry) -> str:
    """The size of a prepared network; else `in package` or `no weights`, or nothing for weights to download."""
    if item.prepared:
        return size(item.prepared.bytes)
    if item.package:
        return "in package"
    return "" if item.entry.published else "no weights"


def _values(item: ListEntry) -> list[str | int | float | bool | None]:
    entry, prepared = item.entry, item.prepared
    return [
        entry.name,
        entry.library,
        entry.num_classes,
        entry.parameters,
        entry.multiply_adds,
        *entry.image_size,
        entry.top1,
        entry.top5,
        entry.published is not None,
        str(prepared.folder) if prepared else None,
        prepared.bytes if prepared else None,
        item.package,
    ]
