"""Neighbours and groups of likes as text."""

import json
from collections.abc import Sequence
from typing import Any

from cnncli.records.neighbours import Neighbour, Neighbours
from cnncli.records.predictions import UNREADABLE, Unreadable
from cnncli.render.columns import Column, rows
from cnncli.render.lines import NO_LABEL
from cnncli.text import is_percent_encoded, path_text, printable, tsv_text

Found = Sequence[Neighbours | Unreadable]
Groups = Sequence[Sequence[Neighbour]]


def neighbours_json(found: Found) -> str:
    """A list with an entry for each query, in their order."""
    return _json([_entry(item) for item in found])


def _entry(item: Neighbours | Unreadable) -> dict[str, Any]:
    if isinstance(item, Unreadable):
        return _named(item.path) | {"status": UNREADABLE, "reason": item.reason}
    near = [_near(one) for one in item.nearest]
    return _named(item.path) | {"status": "ok", "nearest": near}


def _near(one: Neighbour) -> dict[str, Any]:
    return _named(one.path) | {"distance": one.distance}


def _named(path: str) -> dict[str, str]:
    encoding = {"path_encoding": "percent"} if is_percent_encoded(path) else {}
    return {"path": path_text(path)} | encoding


def neighbours_tsv(found: Found) -> str:
    """`query`, `path`, `distance`, a line for each neighbour; of a query that cannot be read one with `-` and no distance."""
    lines = []
    for item in found:
        if isinstance(item, Unreadable):
            lines.append(f"{_tsv(item.path)}\t{NO_LABEL}\t\n")
            continue
        lines += [f"{_tsv(item.path)}\t{_tsv(one.path)}\t{one.distance:.6g}\n" for one in item.nearest]
    return "".join(lines)


def _tsv(path: str) -> str:
    return tsv_text(path_text(path))


def neighbours_table(found: Found) -> str:
    """A row for each neighbour, the query's name beside the first."""
    cells: list[tuple[str, str, str]] = []
    for item in found:
        if isinstance(item, Unreadable):
            cells.append((printable(item.path), f"cannot be read: {printable(item.reason)}", ""))
            continue
        if not item.nearest:
            cells.append((printable(item.path), "there is no other image", ""))
        for rank, one in enumerate(item.nearest):
            cells.append(("" if rank else printable(item.path), printable(one.path), f"{one.distance:.4g}"))
    queries, near, far = zip(*cells, strict=True) if cells else ((), (), ())
    columns = [Column("image", queries), Column("nearest", near), Column("distance", far, is_number=True)]
    return "\n".join(rows(columns)) + "\n"


def groups_json(groups: Groups) -> str:
    """A list of lists."""
    return _json([[_near(one) for one in group] for group in groups])


def groups_tsv(groups: Groups) -> str:
    """`group`, `path`, `distance` from the first of the group, a line for each image."""
    return "".join(
        f"{number}\t{_tsv(one.path)}\t{one.distance:.6g}\n"
        for number, group in enumerate(groups, 1)
        for one in group
    )


def groups_table(groups: Groups) -> str:
    """A row for each image: the number of its group beside the first, and how far it is from that."""
    cells = [
        ("" if rank else str(number), printable(one.path), f"{one.distance:.4g}" if rank else "")
        for number, group in enumerate(groups, 1)
        for rank, one in enumerate(group)
    ]
    if not cells:
        return ""
    numbers, paths, far = zip(*cells, strict=True)
    columns = [Column("group", numbers), Column("image", paths), Column("distance", far, is_number=True)]
    return "\n".join(rows(columns)) + "\n"


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
