"""Which classes of a task with several answers occur together."""

from collections.abc import Sequence

import numpy as np

from cnncli.records.task_evaluation import LabelMetrics
from cnncli.render.matrix import Matrix
from cnncli.render.worst_classes import part_text, worst_classes


def mistaken_classes(metrics: LabelMetrics) -> list[int]:
    """All classes, or those with the most mistakes if they are too many to be shown."""
    return worst_classes(
        {score.index: score.support + score.predicted - 2 * score.correct for score in metrics.classes}
    )


def co_occurrence_png(metrics: LabelMetrics, class_names: Sequence[str]) -> bytes:
    """A PNG of three matrices: labels on an image together, predictions on an image together, and false alarms.

    Args:
        metrics: of the task.
        class_names: K.
    """
    from cnncli.render.matrix_picture import matrix_png  # matplotlib, half a second

    shown = mistaken_classes(metrics)
    part = part_text(len(class_names))
    names = [class_names[index] for index in shown]
    matrices = [matrix.select(shown) for matrix in co_occurrence(metrics)]
    return matrix_png(matrices, names, f"share of the row{f' ({part})' if part else ''}")


def co_occurrence(metrics: LabelMetrics) -> list[Matrix]:
    """Labels on an image together, predictions on an image together, and false alarms on images of another class."""
    support = np.array([score.support for score in metrics.classes], np.intp)
    predicted = np.array([score.predicted for score in metrics.classes], np.intp)
    labelled, together, confused = (
        np.diag(support),
        np.diag(predicted),
        np.zeros((len(support),) * 2, np.intp),
    )
    for pair in metrics.pairs:
        place = pair.first, pair.second
        labelled[place], together[place], confused[place] = pair.labelled, pair.predicted, pair.confused
    return [
        Matrix(labelled, support, "label", "also labelled", "labels together"),
        Matrix(together, predicted, "predicted", "also predicted", "predicted together"),
        Matrix(confused, support, "label", "wrongly predicted", "false alarms"),
    ]
