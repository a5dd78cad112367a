"""Queries with their nearest neighbours as a figure, like figure 4 (right) of Krizhevsky, Sutskever and Hinton (2012).

Groups of near-duplicates are drawn likewise: the first image of each, and the others with their distances from it.
"""

import io
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
from PIL import Image

from cnncli.images.decode import thumbnail
from cnncli.images.sources import image_source
from cnncli.records.neighbours import Neighbour, Neighbours
from cnncli.records.pictures import Figure, Panel, Scale
from cnncli.records.predictions import ImageSource

_SIZE = (240, 180)
"""(width, height) in pixels that images are scaled into."""

_WHITE = 255.0
_BLANK = Panel("", np.full((_SIZE[1], _SIZE[0], 3), _WHITE), Scale.IMAGE)

MAX_QUERIES, MAX_NEIGHBOURS = 60, 9
"""Queries, and neighbours of each, that are drawn."""


def groups_figure(groups: Sequence[Sequence[Neighbour]], title: str) -> Figure:
    """A row for each of the first `MAX_QUERIES` groups: its first image and the others."""
    rows = [Neighbours(image_source(first.path), tuple(others)) for first, *others in groups]
    return figure(rows, title, first="", rows="groups")


def figure(
    results: Sequence[Neighbours], title: str, first: str = "query: ", rows: str = "queries"
) -> Figure:
    """A row for each of the first `MAX_QUERIES` queries: the query and its nearest neighbours.

    Args:
        results: the queries.
        title: of the figure.
        first: what is written before the name of the first image of a row.
        rows: what the rows are, for the title.
    """
    panels = []
    selection = results[:MAX_QUERIES]
    folders = {PurePath(neighbour.path).parent for item in selection for neighbour in item.nearest}
    parts = 2 if len(folders) > 1 else 1  # the names of the folder, which is often the class, and the file
    width = min(max(len(item.nearest) for item in selection), MAX_NEIGHBOURS)
    for item in selection:
        panels.append(_panel(item.source, first + PurePath(item.path).name))
        for neighbour in item.nearest[:width]:
            name = PurePath(*PurePath(neighbour.path).parts[-parts:])
            panels.append(_panel(image_source(neighbour.path), f"{name}, {neighbour.distance:.3g}"))
        panels += [_BLANK] * (width - len(item.nearest[:width]))
    remark = f"; the first {MAX_QUERIES} of {len(results):,} {rows}" if len(results) > MAX_QUERIES else ""
    return Figure(title + remark, tuple(panels), width + 1)


def _panel(source: ImageSource, title: str) -> Panel:
    """An image centred on a white canvas of `_SIZE`; blank if it can no longer be read."""
    canvas = np.full((_SIZE[1], _SIZE[0], 3), _WHITE)
    small = thumbnail(source, _SIZE)
    if not small:
        title += ": cannot be read"
    else:
        with Image.open(io.BytesIO(small)) as picture:
            values = np.asarray(picture.convert("RGB"), np.float64)
        top, left = (_SIZE[1] - values.shape[0]) // 2, (_SIZE[0] - values.shape[1]) // 2
        canvas[top : top + values.shape[0], left : left + values.shape[1]] = values
    return Panel(title, canvas, Scale.IMAGE)
