"""Queries with their nearest neighbours as a figure, like figure 4 (right) of Krizhevsky, Sutskever and Hinton (2012).

Groups of near duplicates are drawn likewise: the first image of each, and the others with their scores.
"""

import io
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
from PIL import Image

from cnncli.dataclass import frozen_dataclass
from cnncli.images.decode import thumbnail
from cnncli.images.sources import image_source
from cnncli.records.neighbours import Duplicate, Neighbours
from cnncli.records.pictures import Figure, Panel, Scale
from cnncli.records.predictions import ImageSource
from cnncli.render.neighbours import duplicate_text

_SIZE = (240, 180)
"""(width, height) in pixels that images are scaled into."""

_WHITE = 255.0
_BLANK = Panel("", np.full((_SIZE[1], _SIZE[0], 3), _WHITE), Scale.IMAGE)

MAX_QUERIES, MAX_NEIGHBOURS = 60, 9
"""Queries, and neighbours of each, that are drawn."""


@frozen_dataclass
class _Row:
    """An image, and the captions of further ones by their paths."""

    source: ImageSource
    others: Sequence[tuple[str, str]]


def groups_figure(groups: Sequence[Sequence[Duplicate]], title: str) -> Figure:
    """A row for each of the first `MAX_QUERIES` groups of near duplicates: its first image and the others."""
    rows = [
        _Row(image_source(first.path), [(image.path, duplicate_text(image)) for image in others])
        for first, *others in groups
    ]
    return _figure(rows, title, first="", things="groups")


def figure(results: Sequence[Neighbours], title: str) -> Figure:
    """A row for each of the first `MAX_QUERIES` queries: the query and its nearest neighbours."""
    rows = [
        _Row(item.source, [(other.path, f"{other.distance:.3g}") for other in item.nearest])
        for item in results
    ]
    return _figure(rows, title, first="query: ", things="queries")


def _figure(rows: Sequence[_Row], title: str, first: str, things: str) -> Figure:
    """The figure of some rows.

    Args:
        rows: all there are.
        title: of the figure.
        first: what is written before the name of the first image of a row.
        things: what the rows are, for the title.
    """
    panels = []
    selection = rows[:MAX_QUERIES]
    folders = {PurePath(path).parent for row in selection for path, _ in row.others}
    parts = 2 if len(folders) > 1 else 1  # the names of the folder, which is often the class, and the file
    width = min(max(len(row.others) for row in selection), MAX_NEIGHBOURS)
    for row in selection:
        panels.append(_panel(row.source, first + _last_parts(row.source.path, 1 if first else parts)))
        for path, caption in row.others[:width]:
            panels.append(_panel(image_source(path), f"{_last_parts(path, parts)}, {caption}"))
        panels += [_BLANK] * (width - len(row.others[:width]))
    remark = f"; the first {MAX_QUERIES} of {len(rows):,} {things}" if len(rows) > MAX_QUERIES else ""
    return Figure(title + remark, tuple(panels), width + 1)


def _last_parts(path: str, count: int) -> str:
    return str(PurePath(*PurePath(path).parts[-count:]))


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
