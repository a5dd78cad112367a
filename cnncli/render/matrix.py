"""Matrices of images by two classes: confusion matrices, and which classes occur together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass


@frozen_dataclass
class Matrix:
    """A matrix of images by two classes, coloured by shares of each row.

    Attributes:
        counts: (K, K), images by the class of the row and of the column.
        totals: (K,), images that the counts of a row are shares of.
        rows, columns: titles of the axes.
        title: above it; may be empty.
    """

    counts: NDArray[np.intp]
    totals: NDArray[np.intp]
    rows: str
    columns: str
    title: str = ""

    def select(self, shown: Sequence[int]) -> "Matrix":
        """The same for some of the classes; their shares are still those of all their images."""
        counts, totals = self.counts[np.ix_(shown, shown)], self.totals[list(shown)]
        return Matrix(counts, totals, self.rows, self.columns, self.title)
