"""A confusion matrix as a picture."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnncli.text import printable

_MOST_NUMBERED = 25
"""Largest number of classes with numbers in the cells."""

MAX_NAMED = 60
"""Largest number of classes with labelled rows and columns."""

_LONGEST = 24
"""Largest number of characters of a label."""

_SIDE = (4.0, 14.0)
"""Smallest and largest side of the picture in inches."""

_DARK = 0.55
"""Share of the true class above which a cell is so dark that its number is white."""


def confusion_png(counts: NDArray[np.intp], class_names: Sequence[str]) -> bytes:
    """A PNG: one row per true class, coloured by the share of its images that each class was predicted for.

    Args:
        counts: (K, K), images by true class (row) and predicted class (column).
        class_names: K.
    """
    classes = len(class_names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(1.6 + 0.45 * classes, _SIDE[0]), _SIDE[1])
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if classes <= MAX_NAMED:
        names = [printable(name) for name in class_names]
        names = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in names]
        escaped = [name.replace("$", r"\$") for name in names]  # otherwise matplotlib would start a formula
        axes.set_xticks(range(classes), escaped, rotation=90)
        axes.set_yticks(range(classes), escaped)
    if classes <= _MOST_NUMBERED:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > _DARK else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()
