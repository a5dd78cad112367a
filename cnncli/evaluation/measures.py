"""Metrics of answers: accuracy, precision, recall and F1 by class, calibration, coverage, with confidence intervals.

Intervals are from the bootstrap (Efron, 1979): 1,000 resamples of the images with replacement; 95 % of the values lie
within. Metrics that depend on the confusion matrix alone are computed from resamples of its cells, which is equivalent and
faster.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError
from cnncli.evaluation.metrics import accuracy, bootstrap_counts, interval
from cnncli.logits import log_loss
from cnncli.records.evaluation import (
    Answer,
    Average,
    CalibrationBin,
    ClassScore,
    ConfusionCell,
    Coverage,
    Estimate,
    Evaluation,
)
from cnncli.records.predictions import Unreadable

BINS = 15
"""Bins of equal width for the expected calibration error (Guo et al., 2017)."""

THRESHOLDS = (*(step / 20 for step in range(20)), 0.99)
"""Confidence thresholds at which coverage and accuracy are reported."""

_TOP = 5


@frozen_dataclass
class EvaluationContext:
    """What was evaluated.

    Attributes:
        model: name of the network, or of the networks of an ensemble.
        data: name of the data set.
        split: train, val, test or all.
        split_source: where the split comes from, as text.
        class_names: K names of the classes that can be predicted.
        threshold: a confidence threshold to report on in addition to the usual ones; None for no other.
        remarks: what was left out or is unexpected, one line each.
    """

    model: str
    data: str
    split: str
    split_source: str
    class_names: tuple[str, ...]
    threshold: float | None = None
    remarks: tuple[str, ...] = ()


def evaluation(
    context: EvaluationContext, answers: Sequence[Answer], unreadable: Sequence[Unreadable]
) -> Evaluation:
    """All metrics of some answers.

    Args:
        context: what was evaluated.
        answers: one for each image that could be read.
        unreadable: the other images.

    Raises:
        DataError: there are no answers.
    """
    if not answers:
        raise DataError(
            f"no image of {context.data} ({context.split}) can be read",
            "run `cnncli check` to find out why",
        )
    labels = np.array([answer.label for answer in answers], np.intp)
    predicted = np.array([answer.predicted for answer in answers], np.intp)
    in_top = [answer.label in answer.ranked[:_TOP] for answer in answers]
    cells, counts = np.unique(np.stack([labels, predicted], axis=1), axis=0, return_counts=True)
    classes, macro, weighted = _class_scores(cells, counts)
    error, bins = calibration(answers)
    return Evaluation(
        model=context.model,
        data=context.data,
        split=context.split,
        split_source=context.split_source,
        class_names=context.class_names,
        answers=tuple(answers),
        unreadable=tuple(unreadable),
        top1=accuracy(predicted, labels),
        top5=accuracy(np.array(in_top, np.intp), np.ones(len(in_top), np.intp)),
        loss=log_loss(np.array([answer.label_probability for answer in answers])),
        classes=tuple(classes),
        macro=macro,
        weighted=weighted,
        confusion_cells=tuple(
            ConfusionCell(int(actual), int(answered), int(count))
            for (actual, answered), count in zip(cells, counts, strict=True)
        ),
        calibration_error=error,
        bins=bins,
        coverage=tuple(coverage(answers, threshold) for threshold in _thresholds(context.threshold)),
        threshold=context.threshold,
        remarks=context.remarks,
    )


def _thresholds(extra: float | None) -> list[float]:
    return sorted({*THRESHOLDS, *([] if extra is None else [extra])})


def coverage(answers: Sequence[Answer], threshold: float) -> Coverage:
    """How many answers have at least this confidence, and how many of those are correct."""
    confident = [answer for answer in answers if answer.probability >= threshold]
    return Coverage(threshold, len(confident), sum(answer.is_correct for answer in confident))


def calibration(answers: Sequence[Answer]) -> tuple[float, tuple[CalibrationBin, ...]]:
    """The expected calibration error of answers, and the bins that it is computed from."""
    confidences = np.array([answer.probability for answer in answers])
    return calibration_bins(confidences, np.array([answer.is_correct for answer in answers], np.float64))


def calibration_bins(
    confidences: NDArray[np.float64], correct: NDArray[np.float64]
) -> tuple[float, tuple[CalibrationBin, ...]]:
    """The expected calibration error, and its bins.

    Args:
        confidences: (N,), probabilities.
        correct: (N,), 1 where what they are probabilities of is true, else 0.
    """
    bins = np.clip(np.ceil(confidences * BINS).astype(np.intp) - 1, 0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    divisors = np.maximum(counts, 1)
    means = np.bincount(bins, confidences, BINS) / divisors
    accuracies = np.bincount(bins, correct, BINS) / divisors
    error = float((counts * np.abs(accuracies - means)).sum() / len(confidences))
    return error, tuple(
        CalibrationBin(
            number / BINS,
            (number + 1) / BINS,
            int(counts[number]),
            float(means[number]),
            float(accuracies[number]),
        )
        for number in range(BINS)
    )


# ---- per class


def _class_scores(
    cells: NDArray[np.intp], counts: NDArray[np.intp]
) -> tuple[list[ClassScore], Average, Average]:
    """Scores of each class that occurs, their mean over classes with images, and the mean weighted by images.

    Args:
        cells: (C, 2), labels and predictions that occur together.
        counts: (C,), their images.
    """
    occurring = np.unique(cells)
    measures, support, answered = _measure_classes(counts[np.newaxis], cells, occurring)
    classes = [
        ClassScore(int(index), float(precision), float(recall), float(f1), int(images), int(times))
        for index, precision, recall, f1, images, times in zip(
            occurring, *measures[:, 0], support[0], answered[0], strict=True
        )
    ]
    values = _average_classes(measures, support)[:, 0].tolist()
    resampled = [
        _average_classes(*_measure_classes(draws, cells, occurring)[:2]) for draws in bootstrap_counts(counts)
    ]
    estimates = [
        Estimate(value, *interval(samples, value))
        for value, samples in zip(values, np.concatenate(resampled, axis=1), strict=True)
    ]
    return classes, Average(*estimates[:3]), Average(*estimates[3:])


def _measure_classes(
    draws: NDArray[np.integer], cells: NDArray[np.intp], occurring: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Precision, recall and F1 (3, B, K) of K classes; their images (B, K); how often each is predicted (B, K).

    Args:
        draws: (B, C), images of each cell of the confusion matrix in B samples.
        cells: (C, 2), label and prediction of each cell.
        occurring: (K,), the classes.
    """
    support = _sum_by_class(draws, cells[:, 0], occurring)
    answered = _sum_by_class(draws, cells[:, 1], occurring)
    is_correct = cells[:, 0] == cells[:, 1]
    correct = _sum_by_class(draws[:, is_correct], cells[is_correct, 0], occurring)
    precision, recall = correct / np.maximum(answered, 1), correct / np.maximum(support, 1)
    f1 = 2 * correct / np.maximum(support + answered, 1)
    return np.stack([precision, recall, f1]), support, answered


def _average_classes(measures: NDArray[np.float64], support: NDArray[np.int64]) -> NDArray[np.float64]:
    """(6, B): the means of three measures (3, B, K) over classes with images, then those weighted by images (B, K)."""
    has_images = support > 0
    macro = (measures * has_images).sum(axis=2) / np.maximum(has_images.sum(axis=1), 1)
    weighted = (measures * support).sum(axis=2) / support.sum(axis=1)
    averages: NDArray[np.float64] = np.concatenate([macro, weighted])
    return averages


def _sum_by_class(
    draws: NDArray[np.integer], classes: NDArray[np.intp], occurring: NDArray[np.intp]
) -> NDArray[np.int64]:
    """(B, K): the columns of draws (B, C) that belong to each class, added up."""
    sums = np.zeros((len(draws), len(occurring)), np.int64)
    order = np.argsort(classes, kind="stable")
    present, starts = np.unique(classes[order], return_index=True)
    if len(present):
        sums[:, np.searchsorted(occurring, present)] = np.add.reduceat(draws[:, order], starts, axis=1)
    return sums
