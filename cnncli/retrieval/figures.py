"""Queries beside their neighbours, as a figure: the right half of figure 4 of Krizhevsky, Sutskever and Hinton (2012)."""

import io
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
from PIL import Image

from cnncli.images.decode import thumbnail
from cnncli.images.sources import image_source
from cnncli.records.neighbours import Neighbours
from cnncli.records.pictures import Figure, Panel, Scale
from cnncli.records.predictions import ImageSource

_SIZE = (240, 180)
"""(width, height) in pixels that an image fits into."""

_PAPER = 255.0
_NOTHING = Panel("", np.full((_SIZE[1], _SIZE[0], 3), _PAPER), Scale.IMAGE)

MOST, BESIDE = 60, 9
"""Queries, and neighbours of each, that are drawn."""


def figure(found: Sequence[Neighbours], title: str) -> Figure:
    """A row for each of the first `MOST` queries: itself, and what is nearest to it."""
    panels = []
    shown = found[:MOST]
    folders = {PurePath(one.path).parent for item in shown for one in item.nearest}
    told = 2 if len(folders) > 1 else 1  # the folder's name, which often is a class, beside the file's
    width = min(max(len(item.nearest) for item in shown), BESIDE)
    for item in shown:
        panels.append(_panel(item.source, f"query: {PurePath(item.path).name}"))
        nearest = item.nearest[:width]
        panels += [
            _panel(
                image_source(one.path), f"{PurePath(*PurePath(one.path).parts[-told:])}, {one.distance:.3g}"
            )
            for one in nearest
        ]
        panels += [_NOTHING] * (width - len(nearest))
    left_out = f"; the first {MOST} of {len(found):,} queries" if len(found) > MOST else ""
    return Figure(title + left_out, tuple(panels), width + 1)


def _panel(source: ImageSource, title: str) -> Panel:
    """An image as large as all others, on white; nothing but white where it cannot be read any more."""
    canvas = np.full((_SIZE[1], _SIZE[0], 3), _PAPER)
    small = thumbnail(source, _SIZE)
    if not small:
        title += ": cannot be read from here"
    else:
        with Image.open(io.BytesIO(small)) as picture:
            values = np.asarray(picture.convert("RGB"), np.float64)
        top, left = (_SIZE[1] - values.shape[0]) // 2, (_SIZE[0] - values.shape[1]) // 2
        canvas[top : top + values.shape[0], left : left + values.shape[1]] = values
    return Panel(title, canvas, Scale.IMAGE)
