"""Metrics of a task with several answers, computed by scikit-learn; intervals are from the bootstrap over images."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnncli.evaluation.measures import calibration_bins
from cnncli.evaluation.metrics import accuracy, interval
from cnncli.evaluation.tasks.resampling import Resamples, resample
from cnncli.evaluation.tasks.thresholds import thresholds_of
from cnncli.logits import log_loss, reach_thresholds
from cnncli.records.evaluation import Average, CalibrationBin, Estimate
from cnncli.records.task_evaluation import ClassPair, LabelMetrics, LabelMistake, LabelScore
from cnncli.records.tasks import Task

WORST = 12
"""Number of misses and of false alarms of each class that are kept, the worst first."""


class _Decisions(NamedTuple):
    """N images and K classes.

    Attributes:
        paths: (N,), relative to the data's root.
        shares: probabilities (N, K).
        targets: (N, K), 1 for a class of the image, else 0.
        predicted: (N, K), whether a class is predicted.
    """

    paths: Sequence[str]
    shares: NDArray[np.float32]
    targets: NDArray[np.float32]
    predicted: NDArray[np.bool_]


def mean_average_precision(shares: NDArray[np.float32], targets: NDArray[np.float32]) -> float | None:
    """The mean average precision of the classes that have images; None where no image has a label.

    Args:
        shares: probabilities (N, K).
        targets: (N, K), 1 for a class of the image, 0 for others, NaN in the rows of images whose labels are unknown.
    """
    is_known = ~np.isnan(targets).any(axis=1)
    values = average_precisions(shares[is_known], targets[is_known])
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def average_precisions(shares: NDArray[np.float32], targets: NDArray[np.float32]) -> NDArray[np.float64]:
    """(K,): the average precision of each class, from (N, K) as above but without NaN; NaN where no image has the class."""
    from sklearn.metrics import average_precision_score

    return np.array(
        [
            average_precision_score(labels, column) if labels.any() else np.nan
            for column, labels in zip(shares.T, targets.T, strict=True)
        ]
    )


def label_metrics(
    task: Task, paths: Sequence[str], shares: NDArray[np.float32], targets: NDArray[np.float32]
) -> LabelMetrics:
    """All metrics of a task with several answers.

    Args:
        task: its thresholds decide what is predicted.
        paths: (N,) those of the images, relative to the data's root; N is not 0.
        shares: probabilities (N, K).
        targets: (N, K), 1 for a class of the image, else 0.
    """
    decisions = _Decisions(paths, shares, targets, reach_thresholds(shares, thresholds_of(task)))
    is_right = decisions.predicted == (targets > 0)
    sample_values = np.stack([_sample_f1(decisions), 1 - is_right.mean(axis=1)], axis=1)
    resamples = resample(shares, targets, decisions.predicted, sample_values)
    classes = tuple(_class_scores(task, decisions, resamples))
    sample_f1, hamming_loss = (
        _estimate(value, samples)
        for value, samples in zip(sample_values.mean(axis=0), resamples.sample_means.T, strict=True)
    )
    return LabelMetrics(
        images=len(paths),
        classes=classes,
        mean_average_precision=_mean_average_precision(classes, resamples),
        micro=_micro(decisions, resamples),
        macro=_macro(classes, resamples),
        sample_f1=sample_f1,
        exact_match=accuracy(is_right.all(axis=1).astype(np.intp), np.ones(len(paths), np.intp)),
        hamming_loss=hamming_loss,
        loss=log_loss(np.where(targets > 0, shares, 1 - shares).astype(np.float64).ravel()),
        calibration_error=float(np.mean([score.calibration_error for score in classes])),
        bins=_calibration(shares, targets)[1],
        pairs=tuple(_pairs(decisions)),
    )


def _estimate(value: float, samples: NDArray[np.float32]) -> Estimate:
    """A metric with its interval, from its values in those resamples that have one."""
    return Estimate(float(value), *interval(samples[~np.isnan(samples)].astype(np.float64), float(value)))


def _as_multilabel(values: NDArray[np.float32 | np.bool_]) -> NDArray[np.int8]:
    """(N, K + 1): with a class that is never there, as scikit-learn takes a single column for something else."""
    return np.pad(values.astype(np.int8), ((0, 0), (0, 1)))


def _sample_f1(decisions: _Decisions) -> NDArray[np.float64]:
    """(N,): the F1 of each image; 1 for an image without labels and predictions."""
    both = (decisions.predicted * decisions.targets).sum(axis=1)
    either = decisions.predicted.sum(axis=1) + decisions.targets.sum(axis=1)
    return np.where(either > 0, 2 * both / np.maximum(either, 1), 1.0)


def _mean_average_precision(classes: Sequence[LabelScore], resamples: Resamples) -> Estimate | None:
    values = [score.average_precision.value for score in classes if score.average_precision]
    return _estimate(float(np.mean(values)), resamples.mean_average_precision) if values else None


def _micro(decisions: _Decisions, resamples: Resamples) -> Average:
    """Precision, recall and F1 of all decisions together."""
    from sklearn.metrics import precision_recall_fscore_support

    targets, predicted = _as_multilabel(decisions.targets), _as_multilabel(decisions.predicted)
    scores = precision_recall_fscore_support(targets, predicted, average="micro", zero_division=0)
    return _average(scores[:3], resamples.micro)


def _macro(classes: Sequence[LabelScore], resamples: Resamples) -> Average:
    """Mean precision, recall and F1 of the classes that have images."""
    scores = [(score.precision, score.recall, score.f1) for score in classes if score.support]
    return _average(np.mean(scores or [(0.0, 0.0, 0.0)], axis=0), resamples.macro)


def _average(values: Iterable[float], samples: NDArray[np.float32]) -> Average:
    """Precision, recall and F1 with their intervals, from their values in resamples (B, 3)."""
    return Average(*(_estimate(value, draws) for value, draws in zip(values, samples.T, strict=True)))


def _class_scores(task: Task, decisions: _Decisions, resamples: Resamples) -> Iterator[LabelScore]:
    from sklearn.metrics import precision_recall_fscore_support

    paths, shares, targets, predicted = decisions
    areas = average_precisions(shares, targets)
    scores = precision_recall_fscore_support(
        _as_multilabel(targets), _as_multilabel(predicted), average=None, zero_division=0
    )
    for index, threshold in enumerate(thresholds_of(task)):
        column, labels, answers = shares[:, index], targets[:, index] > 0, predicted[:, index]
        precision, recall, f1, support = (values[index] for values in scores)
        yield LabelScore(
            index=index,
            threshold=threshold,
            average_precision=_estimate(areas[index], resamples.average_precision[:, index])
            if support
            else None,
            precision=float(precision),
            recall=float(recall),
            f1=float(f1),
            support=int(support),
            predicted=int(answers.sum()),
            correct=int((labels & answers).sum()),
            calibration_error=_calibration(column, targets[:, index])[0],
            misses=tuple(_worst(paths, column, labels & ~answers)),
            false_alarms=tuple(_worst(paths, -column, answers & ~labels)),
        )


def _worst(
    paths: Sequence[str], ranks: NDArray[np.float32], is_wrong: NDArray[np.bool_]
) -> Iterator[LabelMistake]:
    """The wrong images with the lowest ranks, probabilities up to the sign."""
    wrong = np.flatnonzero(is_wrong)
    for place in wrong[np.argsort(ranks[wrong], kind="stable")[:WORST]]:
        yield LabelMistake(paths[place], float(abs(ranks[place])))


def _calibration(
    shares: NDArray[np.float32], targets: NDArray[np.float32]
) -> tuple[float, tuple[CalibrationBin, ...]]:
    """Calibration of probabilities of any shape."""
    return calibration_bins(shares.ravel().astype(np.float64), targets.ravel().astype(np.float64))


def _pairs(decisions: _Decisions) -> Iterator[ClassPair]:
    """The pairs of different classes that occur on an image, as labels or predictions."""
    targets, predicted = decisions.targets, decisions.predicted.astype(np.float32)
    counts = np.stack([targets.T @ targets, predicted.T @ predicted, targets.T @ (predicted * (1 - targets))])
    for first, second in np.argwhere(counts.any(axis=0)):
        if first != second:
            yield ClassPair(int(first), int(second), *map(int, counts[:, first, second]))
