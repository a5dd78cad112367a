"""A confusion matrix as a picture."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnncli.text import printable

_MOST_NUMBERED = 25
"""Classes up to which each cell holds its number."""

MOST_NAMED = 60
"""Classes up to which each row and column has its name."""

_LONGEST = 24
"""Characters of a name."""

_SIDE = (4.0, 14.0)
"""Inches of the smallest and the largest picture."""

_DARK = 0.55
"""Share of a row from which its cell is so dark that the number is white."""


def confusion_png(counts: NDArray[np.intp], class_names: Sequence[str]) -> bytes:
    """A PNG: each row is a class, coloured by what its images were taken for, as shares of the row.

    Args:
        counts: (K, K), images of the class in the row that were taken for the class in the column.
        class_names: K.
    """
    classes = len(class_names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(1.6 + 0.45 * classes, _SIDE[0]), _SIDE[1])
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    if classes <= MOST_NAMED:
        names = [printable(name) for name in class_names]
        names = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in names]
        escaped = [name.replace("$", r"\$") for name in names]  # else it begins a formula
        axes.set_xticks(range(classes), escaped, rotation=90)
        axes.set_yticks(range(classes), escaped)
    if classes <= _MOST_NUMBERED:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > _DARK else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    figure.colorbar(shown, ax=axes, label="share of the actual class", shrink=0.8)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()
