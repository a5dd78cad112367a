"""Matrices of images by two classes as a picture: confusion matrices, and which classes occur together."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import PercentFormatter

from cnncli.render import fonts
from cnncli.render.matrix import Matrix
from cnncli.text import printable

_MOST_NUMBERED = 25
"""Largest number of classes with numbers in the cells."""

_LONGEST = 24
"""Largest number of characters of a label."""

_CELL, _SIDE = 0.45, (2.5, 12.0)
"""Side of a cell; smallest and largest side of a matrix, in inches."""

_TICKS, _TITLE, _GAP, _BAR, _PERCENTAGES = 0.1, 0.3, 0.2, 0.18, 0.75
"""Space for tick marks, for the title of an axis, between the parts, for the colour bar and for its labels, in inches."""

_FONT_SIZE, _POINTS = 10, 72
"""Font size of the labels in points, and points per inch."""

_DARK = 0.55
"""Share above which a cell is so dark that its number is white."""


def matrix_png(matrices: Sequence[Matrix], class_names: Sequence[str], meaning: str) -> bytes:
    """A PNG of matrices side by side.

    Args:
        matrices: all of the same classes.
        class_names: their names, (K,).
        meaning: what the colours mean.
    """
    labels = [_shorten(printable(name)) for name in class_names]
    figure, parts, bar = _axes(labels, [matrix.title for matrix in matrices])
    images = [_draw(axes, matrix, labels) for axes, matrix in zip(parts, matrices, strict=True)]
    figure.colorbar(images[0], cax=bar, label=meaning, format=PercentFormatter(1, decimals=0))
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()


def _draw(axes: Axes, matrix: Matrix, labels: Sequence[str]) -> AxesImage:
    shares = matrix.counts / np.maximum(matrix.totals, 1)[:, None]
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_title(matrix.title)
    axes.set_xlabel(matrix.columns)
    axes.set_ylabel(matrix.rows)
    # A dollar sign would start a formula.
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=_FONT_SIZE, parse_math=False)
    axes.set_yticks(range(len(labels)), labels, fontsize=_FONT_SIZE, parse_math=False)
    if len(labels) <= _MOST_NUMBERED:
        for row, column in np.argwhere(matrix.counts):
            colour = "white" if shares[row, column] > _DARK else "black"
            axes.text(column, row, str(matrix.counts[row, column]), ha="center", va="center", color=colour)
    return image


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _axes(labels: Sequence[str], titles: Sequence[str]) -> tuple[Figure, list[Axes], Axes]:
    """A figure, and its axes for matrices with these titles and for the colour bar.

    The labels are measured here: a layout engine would draw everything twice to find the margins.
    """
    font = fonts.font(_FONT_SIZE)
    margin = _TITLE + _TICKS + max(font.getlength(label) for label in labels) / _POINTS
    side = min(max(_CELL * len(labels), _SIDE[0]), _SIDE[1])
    top = _GAP + (_TITLE if any(titles) else 0)
    right = len(titles) * (margin + side + _GAP)
    width, height = right + _BAR + _PERCENTAGES, top + side + margin
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    parts = [
        figure.add_axes(
            (
                (number * (margin + side + _GAP) + margin) / width,
                margin / height,
                side / width,
                side / height,
            )
        )
        for number in range(len(titles))
    ]
    bar = figure.add_axes((right / width, margin / height, _BAR / width, side / height))
    return figure, parts, bar
