"""Nearest neighbours and groups of near duplicates as JSON, TSV and tables."""

import json
from collections.abc import Sequence
from typing import Any

from cnncli.records.neighbours import Duplicate, Neighbour, Neighbours
from cnncli.records.predictions import UNREADABLE, Unreadable
from cnncli.render.columns import Column, rows
from cnncli.render.lines import NO_LABEL
from cnncli.text import is_percent_encoded, path_text, printable, tsv_text

Results = Sequence[Neighbours | Unreadable]
Groups = Sequence[Sequence[Duplicate]]


def neighbours_json(results: Results) -> str:
    """A list with an object for each query, in input order."""
    return _json([_query_object(item) for item in results])


def _query_object(item: Neighbours | Unreadable) -> dict[str, Any]:
    if isinstance(item, Unreadable):
        return _path_object(item.path) | {"status": UNREADABLE, "reason": item.reason}
    nearest = [_neighbour_object(neighbour) for neighbour in item.nearest]
    return _path_object(item.path) | {"status": "ok", "nearest": nearest}


def _neighbour_object(neighbour: Neighbour) -> dict[str, Any]:
    return _path_object(neighbour.path) | {"distance": neighbour.distance}


def _path_object(path: str) -> dict[str, str]:
    encoding = {"path_encoding": "percent"} if is_percent_encoded(path) else {}
    return {"path": path_text(path)} | encoding


def neighbours_tsv(results: Results) -> str:
    """A line `query`, `path`, `distance` for each neighbour; for an unreadable query, one with path `-` and no distance."""
    lines = []
    for item in results:
        if isinstance(item, Unreadable):
            lines.append(f"{_tsv(item.path)}\t{NO_LABEL}\t\n")
            continue
        lines += [
            f"{_tsv(item.path)}\t{_tsv(neighbour.path)}\t{neighbour.distance:.6g}\n"
            for neighbour in item.nearest
        ]
    return "".join(lines)


def _tsv(path: str) -> str:
    return tsv_text(path_text(path))


def neighbours_table(results: Results, width: int | None = None) -> str:
    """A row for each neighbour; the first row of each query has its path. On a terminal of some width, paths are cut."""
    cells: list[tuple[str, str, str]] = []
    for item in results:
        if isinstance(item, Unreadable):
            cells.append((printable(item.path), f"cannot be read: {printable(item.reason)}", ""))
            continue
        if not item.nearest:
            cells.append((printable(item.path), "no other image", ""))
        for rank, neighbour in enumerate(item.nearest):
            cells.append(
                ("" if rank else printable(item.path), printable(neighbour.path), f"{neighbour.distance:.4g}")
            )
    queries, paths, distances = zip(*cells, strict=True) if cells else ((), (), ())
    columns = [
        Column("query", queries, is_path=True),
        Column("nearest", paths, importance=2, is_path=True),
        Column("distance", distances, is_number=True, importance=1),
    ]
    return "\n".join(rows(columns, width)) + "\n"


def groups_json(groups: Groups) -> str:
    """A list of groups, each a list of objects."""
    return _json(
        [
            [
                _path_object(image.path) | {"score": image.score, "distance": image.distance}
                for image in images
            ]
            for images in groups
        ]
    )


def groups_tsv(groups: Groups) -> str:
    """A line `group`, `path`, `score`, `distance` for each image; no score where the pixels could not be compared."""
    return "".join(
        f"{number}\t{_tsv(image.path)}\t{'' if image.score is None else image.score}\t{image.distance:.6g}\n"
        for number, images in enumerate(groups, 1)
        for image in images
    )


def groups_table(groups: Groups, width: int | None = None) -> str:
    """A row for each image; the first row of each group has its number, the others how well they match the first.

    On a terminal of some width, paths are cut.
    """
    cells = [
        ("" if rank else str(number), printable(image.path), duplicate_text(image) if rank else "")
        for number, images in enumerate(groups, 1)
        for rank, image in enumerate(images)
    ]
    if not cells:
        return ""
    numbers, paths, scores = zip(*cells, strict=True)
    columns = [
        Column("group", numbers, importance=1),
        Column("image", paths, importance=2, is_path=True),
        Column("score", scores, is_number=True),
    ]
    return "\n".join(rows(columns, width)) + "\n"


def duplicate_text(image: Duplicate) -> str:
    """How well an image matches the first of its group, for people."""
    return f"distance {image.distance:.3g}" if image.score is None else f"{image.score:.3f}"


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
