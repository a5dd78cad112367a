"""A confusion matrix as a picture."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from cnncli.render import fonts
from cnncli.render.worst_classes import part_text, worst_classes
from cnncli.text import printable

_MOST_NUMBERED = 25
"""Largest number of classes with numbers in the cells."""

_LONGEST = 24
"""Largest number of characters of a label."""

_CELL, _SIDE = 0.45, (2.5, 12.0)
"""Side of a cell; smallest and largest side of the matrix, in inches."""

_TICKS, _TITLE, _GAP, _BAR, _PERCENTAGES = 0.1, 0.3, 0.2, 0.18, 0.75
"""Space for tick marks, for the title of an axis, between the parts, for the colour bar and for its labels, in inches."""

_FONT_SIZE, _POINTS = 10, 72
"""Font size of the labels in points, and points per inch."""

_DARK = 0.55
"""Share of the true class above which a cell is so dark that its number is white."""


def confusion_png(counts: NDArray[np.intp], class_names: Sequence[str]) -> bytes:
    """A PNG: one row per true class, coloured by the share of its images that each class was predicted for.

    Of many classes it shows those with the most mistakes, and says so; their shares are still those of all their images.

    Args:
        counts: (K, K), images by true class (row) and predicted class (column).
        class_names: K.
    """
    totals, correct = counts.sum(axis=1), counts.diagonal()
    mistakes = totals + counts.sum(axis=0) - 2 * correct
    shown = worst_classes(dict(enumerate(mistakes.tolist())))
    labels = [_shorten(printable(class_names[index])) for index in shown]
    title = part_text(len(class_names))
    counts, totals, classes = counts[np.ix_(shown, shown)], totals[shown], len(shown)
    figure, axes, bar = _axes(labels, title)
    shares = counts / np.maximum(totals, 1)[:, None]
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    # A dollar sign would start a formula.
    axes.set_xticks(range(classes), labels, rotation=90, fontsize=_FONT_SIZE, parse_math=False)
    axes.set_yticks(range(classes), labels, fontsize=_FONT_SIZE, parse_math=False)
    if classes <= _MOST_NUMBERED:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > _DARK else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    figure.colorbar(image, cax=bar, label="share of the true class", format=PercentFormatter(1, decimals=0))
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _axes(labels: Sequence[str], title: str) -> tuple[Figure, Axes, Axes]:
    """A figure, and its axes for the matrix and the colour bar.

    The labels are measured here: a layout engine would draw everything twice to find the margins.
    """
    font = fonts.font(_FONT_SIZE)
    margin = _TITLE + _TICKS + max(font.getlength(label) for label in labels) / _POINTS
    side = min(max(_CELL * len(labels), _SIDE[0]), _SIDE[1])
    top = _GAP + (_TITLE if title else 0)
    width, height = margin + side + _GAP + _BAR + _PERCENTAGES, top + side + margin
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((margin / width, margin / height, side / width, side / height))
    bar = figure.add_axes(((margin + side + _GAP) / width, margin / height, _BAR / width, side / height))
    axes.set_title(title)
    return figure, axes, bar
