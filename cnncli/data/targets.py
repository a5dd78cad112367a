"""The labels of a data set with tasks as numbers to learn from and to compare with."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.records.data import Sample
from cnncli.records.tasks import Task, columns_of


def targets(samples: Sequence[Sample], tasks: Sequence[Task]) -> NDArray[np.float32]:
    """(N, K) for N samples and the K classes of all tasks: 1 for a class of the image, 0 for others, NaN where unknown."""
    columns = columns_of(tasks)
    values = np.zeros((len(samples), columns[-1].stop), np.float32)
    for row, sample in zip(values, samples, strict=True):
        for place, answer in zip(columns, sample.answers, strict=True):
            if answer is None:
                row[place] = np.nan
            else:
                row[place][list(answer)] = 1
    return values
