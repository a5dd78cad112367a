"""From answers to figures: accuracy by class, calibration, coverage, each with how sure one can be of it.

Intervals are from the bootstrap (Efron, 1979): the images are drawn again, with replacement, as often as there are images,
a thousand times; 95 % of what comes out lies within. Figures that depend only on how many images of which class were taken
for which other are computed from so many draws of these numbers, which is the same and quicker.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnncli.errors import DataError
from cnncli.evaluation.metrics import accuracy, interval, resampled
from cnncli.logits import log_loss
from cnncli.records.evaluation import (
    Answer,
    Average,
    CalibrationBin,
    ClassScore,
    Confusion,
    Coverage,
    Estimate,
    Evaluation,
)
from cnncli.records.predictions import Unreadable

BINS = 15
"""Of equal width, that probabilities are sorted into for the expected calibration error (Guo et al., 2017)."""

THRESHOLDS = (*(step / 20 for step in range(20)), 0.99)
"""At which coverage and accuracy are told."""

_TOP = 5


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked.

    Attributes:
        model: which network, or networks.
        data: of which images.
        split: which of them.
        split_source: where the split comes from, in words.
        class_names: of all classes that could have been said.
        threshold: below which an answer would not count, if that was asked for.
        remarks: what was left out or may surprise.
    """

    model: str
    data: str
    split: str
    split_source: str
    class_names: tuple[str, ...]
    threshold: float | None = None
    remarks: tuple[str, ...] = ()


def evaluation(question: Question, answers: Sequence[Answer], unreadable: Sequence[Unreadable]) -> Evaluation:
    """Everything that can be said of answers.

    Args:
        question: what was asked.
        answers: one for each image that could be read.
        unreadable: the other images.

    Raises:
        DataError: there is no answer.
    """
    if not answers:
        raise DataError(
            f"no image of {question.data} ({question.split}) can be read: there is nothing to evaluate",
            "`cnncli check` says why",
        )
    labels = np.array([answer.label for answer in answers], np.intp)
    predicted = np.array([answer.predicted for answer in answers], np.intp)
    places = [answer.label in answer.ranked[:_TOP] for answer in answers]
    cells, counts = np.unique(np.stack([labels, predicted], axis=1), axis=0, return_counts=True)
    classes, macro, weighted = _by_class(labels, predicted, cells, counts)
    error, bins = calibration(answers)
    return Evaluation(
        model=question.model,
        data=question.data,
        split=question.split,
        split_source=question.split_source,
        class_names=question.class_names,
        answers=tuple(answers),
        unreadable=tuple(unreadable),
        top1=accuracy(predicted, labels),
        top5=accuracy(np.array(places, np.intp), np.ones(len(places), np.intp)),
        loss=log_loss(np.array([answer.label_probability for answer in answers])),
        classes=tuple(classes),
        macro=macro,
        weighted=weighted,
        confusions=tuple(
            Confusion(int(actual), int(said), int(count))
            for (actual, said), count in zip(cells, counts, strict=True)
        ),
        calibration_error=error,
        bins=bins,
        coverage=tuple(coverage(answers, threshold) for threshold in _thresholds(question.threshold)),
        threshold=question.threshold,
        remarks=question.remarks,
    )


def _thresholds(asked: float | None) -> list[float]:
    return sorted({*THRESHOLDS, *([] if asked is None else [asked])})


def coverage(answers: Sequence[Answer], threshold: float) -> Coverage:
    """What is left if only answers at least as probable as a threshold count."""
    sure = [answer for answer in answers if answer.probability >= threshold]
    return Coverage(threshold, len(sure), sum(answer.is_right for answer in sure))


def calibration(answers: Sequence[Answer]) -> tuple[float, tuple[CalibrationBin, ...]]:
    """The expected calibration error, and the bins that it is the weighted mean of."""
    said = np.array([answer.probability for answer in answers])
    right = np.array([answer.is_right for answer in answers], float)
    place = np.clip(np.ceil(said * BINS).astype(np.intp) - 1, 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    shares = np.maximum(counts, 1)
    confidence = np.bincount(place, said, BINS) / shares
    rights = np.bincount(place, right, BINS) / shares
    error = float((counts * np.abs(rights - confidence)).sum() / len(said))
    return error, tuple(
        CalibrationBin(
            number / BINS,
            (number + 1) / BINS,
            int(counts[number]),
            float(confidence[number]),
            float(rights[number]),
        )
        for number in range(BINS)
    )


# ---- by class


def _by_class(
    labels: NDArray[np.intp], predicted: NDArray[np.intp], cells: NDArray[np.intp], counts: NDArray[np.intp]
) -> tuple[list[ClassScore], Average, Average]:
    """Of each class that occurs, of the mean of those that have images, and of their mean weighted by these."""
    from sklearn.metrics import precision_recall_fscore_support

    there = np.unique(cells)
    scores = precision_recall_fscore_support(labels, predicted, labels=there, zero_division=0)
    taken = np.bincount(predicted, minlength=there[-1] + 1)
    classes = [
        ClassScore(int(index), float(precision), float(recall), float(f1), int(support), int(taken[index]))
        for index, precision, recall, f1, support in zip(there, *scores, strict=True)
    ]
    weights, has = scores[3] / len(labels), scores[3] > 0
    macro, weighted = (
        [float(values) for values in means]
        for means in (np.mean(np.asarray(scores[:3])[:, has], axis=1), np.dot(scores[:3], weights))
    )
    drawn = [np.concatenate(parts) for parts in zip(*_drawn(cells, counts, there), strict=True)]
    intervals = [interval(values, value) for values, value in zip(drawn, [*macro, *weighted], strict=True)]

    def average(values: Sequence[float], ends: Sequence[tuple[float, float]]) -> Average:
        return Average(*(Estimate(value, *pair) for value, pair in zip(values, ends, strict=True)))

    return classes, average(macro, intervals[:3]), average(weighted, intervals[3:])


def _drawn(
    cells: NDArray[np.intp], counts: NDArray[np.intp], there: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.float64], ...]]:
    """Precision, recall and F1, mean and weighted mean, of the images drawn again and again: six times (B,)."""
    for draws in resampled(counts):
        support = _sums(draws, cells[:, 0], there)
        taken = _sums(draws, cells[:, 1], there)
        is_right = cells[:, 0] == cells[:, 1]
        right = _sums(draws[:, is_right], cells[is_right, 0], there)
        precision, recall = right / np.maximum(taken, 1), right / np.maximum(support, 1)
        f1 = 2 * right / np.maximum(support + taken, 1)
        has = support > 0
        occur = np.maximum(has.sum(axis=1), 1)
        images = draws.sum(axis=1)
        measures = (precision, recall, f1)
        yield (
            *((measure * has).sum(axis=1) / occur for measure in measures),
            *((measure * support).sum(axis=1) / images for measure in measures),
        )


def _sums(draws: NDArray[np.int64], classes: NDArray[np.intp], there: NDArray[np.intp]) -> NDArray[np.int64]:
    """(B, K): draws (B, C), the columns of each class added up."""
    sums = np.zeros((len(draws), len(there)), np.int64)
    order = np.argsort(classes, kind="stable")
    found, starts = np.unique(classes[order], return_index=True)
    if len(found):
        sums[:, np.searchsorted(there, found)] = np.add.reduceat(draws[:, order], starts, axis=1)
    return sums
