"""A confusion matrix as a picture."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.render.matrix import Matrix
from cnncli.render.matrix_picture import matrix_png
from cnncli.render.worst_classes import part_text, worst_classes


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
    matrix = Matrix(counts, totals, "true", "predicted", part_text(len(class_names))).select(shown)
    return matrix_png([matrix], [class_names[index] for index in shown], "share of the true class")
