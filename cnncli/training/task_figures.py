"""The figures of a network with tasks that training compares: the loss, and what networks and epochs are chosen by."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.evaluation.metrics import balanced_accuracy
from cnncli.evaluation.tasks.labels import mean_average_precision
from cnncli.logits import binary_cross_entropy, cross_entropy, predicted_classes, probabilities
from cnncli.records.tasks import AnswerKind, Task, columns_of
from cnncli.records.training import ClassWeights
from cnncli.text import percent

Values = NDArray[np.float32]


@frozen_dataclass
class TaskFigures:
    """The figures of each task; NaN where no image can tell.

    Attributes:
        losses: mean cross-entropy over the images whose labels are known; of tasks with several right classes the mean binary
            cross-entropy, over the classes, too.
        scores: accuracy, balanced where classes are weighted; of tasks with several right classes the mean average precision.
        weights: weight of each task in the loss.
    """

    losses: Values
    scores: Values
    weights: tuple[float, ...]

    @property
    def known_scores(self) -> tuple[float | None, ...]:
        """The scores, with None in place of NaN."""
        return tuple(None if math.isnan(score) else score for score in self.scores.tolist())

    @property
    def loss(self) -> float:
        """The weighted sum of the losses, `lambda_1 L_1 + lambda_2 L_2`."""
        return float(np.nansum(self.losses * self.weights))

    @property
    def score(self) -> float:
        """What networks are chosen by: the mean of the scores, weighted as the losses."""
        is_known = ~np.isnan(self.scores)
        weights = np.array(self.weights)[is_known]
        return float(np.average(self.scores[is_known], weights=weights)) if len(weights) else 0.0


def task_figures(
    logits: Values,
    targets: Values,
    tasks: Sequence[Task],
    weights: tuple[float, ...],
    class_weights: ClassWeights,
) -> TaskFigures:
    """The figures of logits (N, K) of all tasks, and targets (N, K) as from `data.targets`."""
    losses, scores = [], []
    for task, columns in zip(tasks, columns_of(tasks), strict=True):
        is_known = ~np.isnan(targets[:, columns.start])
        figures = _figures(task, logits[is_known, columns], targets[is_known, columns], class_weights)
        losses.append(figures[0])
        scores.append(figures[1])
    return TaskFigures(np.array(losses), np.array(scores), weights)


def guess_figures(targets: Values, tasks: Sequence[Task], weights: tuple[float, ...]) -> TaskFigures:
    """The figures of guessing by how frequent each class is, on images with targets (N, K)."""
    from scipy.special import entr  # only where a network is trained

    losses, scores = [], []
    for task, columns in zip(tasks, columns_of(tasks), strict=True):
        shares = np.nanmean(targets[:, columns], axis=0, dtype=np.float64)
        is_several = task.kind is AnswerKind.SEVERAL
        losses.append((entr(shares) + entr(1 - shares)).mean() if is_several else entr(shares).sum())
        scores.append(shares.mean() if is_several else shares.max())
    return TaskFigures(np.array(losses), np.array(scores), weights)


def _figures(task: Task, logits: Values, targets: Values, class_weights: ClassWeights) -> tuple[float, float]:
    """Loss and score of a task."""
    if not len(logits):
        return np.nan, np.nan
    if task.kind is AnswerKind.SEVERAL:
        precision = mean_average_precision(probabilities(logits, [task]), targets)
        return binary_cross_entropy(logits, targets), np.nan if precision is None else precision
    labels, predicted = targets.argmax(axis=1), predicted_classes(logits)
    if class_weights is ClassWeights.BALANCED:
        return cross_entropy(logits, labels), balanced_accuracy(predicted, labels)
    return cross_entropy(logits, labels), float((predicted == labels).mean())


def scores_text(tasks: Sequence[Task], scores: Sequence[float | None]) -> str:
    """What tasks are measured by, as `digit accuracy 98.2 %, tags mAP 88.3 %`."""
    return ", ".join(
        f"{task.name} {SCORE_NAMES[task.kind]} {score_text(score)}"
        for task, score in zip(tasks, scores, strict=True)
    )


def score_text(score: float | None) -> str:
    """A score as text; a dash where no image can tell."""
    return "-" if score is None else percent(score)


SCORE_NAMES = {AnswerKind.ONE: "accuracy", AnswerKind.SEVERAL: "mAP"}
