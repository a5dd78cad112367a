"""Evaluations of networks with tasks as JSON; shares are fractions from 0 to 1."""

from collections.abc import Sequence
from typing import Any

from cnncli.records.evaluation import Evaluation
from cnncli.records.task_evaluation import (
    Agreement,
    AnswerChange,
    ClassPair,
    LabelMetrics,
    LabelMistake,
    LabelScore,
    TaskComparison,
    TaskEvaluation,
    TasksComparison,
    TasksEvaluation,
)
from cnncli.render import evaluation_json as plain


def tasks_json(evaluation: TasksEvaluation) -> str:
    """Everything but the answers themselves, as one object."""
    return plain.dump(tasks_document(evaluation))


def tasks_comparison_json(comparison: TasksComparison) -> str:
    """Both evaluations, and the differences between them."""
    agreement = comparison.agreement
    return plain.dump(
        {
            "new": tasks_document(comparison.new),
            "old": tasks_document(comparison.old),
            "exact_match": _agreement(agreement) if agreement else None,
            "tasks": {item.new.task.name: _task_comparison(item) for item in comparison.tasks},
        }
    )


def _task_comparison(item: TaskComparison) -> dict[str, Any]:
    metric = "top1" if isinstance(item.new.metrics, Evaluation) else "mean_average_precision"
    return {
        f"{metric}_difference": plain.estimate(item.difference) if item.difference else None,
        "exact_match": _agreement(item.agreement),
        "gained": _changes(item.gained),
        "lost": _changes(item.lost),
    }


def _agreement(agreement: Agreement) -> dict[str, Any]:
    return {
        "difference": plain.estimate(agreement.difference),
        "mcnemar_p_value": agreement.p_value,
        "both_correct": agreement.both,
        "neither_correct": agreement.neither,
        "gained": agreement.gained,
        "lost": agreement.lost,
    }


def _changes(changes: Sequence[AnswerChange]) -> list[dict[str, Any]]:
    return [
        {
            **plain.path(change.path),
            "label": list(change.label),
            "old": list(change.old),
            "new": list(change.new),
        }
        for change in changes
    ]


def tasks_document(evaluation: TasksEvaluation) -> dict[str, Any]:
    """The same as an object, in which each task has an object of its own."""
    return {
        **plain.origin(evaluation, evaluation.images),
        **plain.accuracy("exact_match", evaluation.exact_match),
        "tasks": {item.task.name: _task(item) for item in evaluation.tasks},
        **plain.notes(evaluation),
        **plain.others(evaluation.others),
    }


def _task(item: TaskEvaluation) -> dict[str, Any]:
    metrics = item.metrics
    about = {"kind": item.task.kind.value, "images": item.images, "unknown": item.unknown}
    if isinstance(metrics, Evaluation):
        return {**about, **plain.metrics(metrics), **plain.at_threshold(metrics)}
    return {**about, **_metrics(metrics, item.task.class_names)}


def _metrics(metrics: LabelMetrics, names: Sequence[str]) -> dict[str, Any]:
    area = metrics.mean_average_precision
    return {
        "mean_average_precision": plain.estimate(area) if area else None,
        "micro": plain.average(metrics.micro),
        "macro": plain.average(metrics.macro),
        "sample_f1": plain.estimate(metrics.sample_f1),
        **plain.accuracy("exact_match", metrics.exact_match),
        "hamming_loss": plain.estimate(metrics.hamming_loss),
        "loss": metrics.loss,
        "calibration_error": metrics.calibration_error,
        "classes": [_class(score, names) for score in metrics.classes],
        "co_occurrence": [_pair(pair, names) for pair in metrics.pairs],
        "calibration": plain.bins(metrics.bins),
    }


def _class(score: LabelScore, names: Sequence[str]) -> dict[str, Any]:
    area = score.average_precision
    return {
        "name": names[score.index],
        "index": score.index,
        "threshold": score.threshold,
        "average_precision": plain.estimate(area) if area else None,
        "precision": score.precision,
        "recall": score.recall,
        "f1": score.f1,
        "support": score.support,
        "predicted": score.predicted,
        "correct": score.correct,
        "calibration_error": score.calibration_error,
        "misses": _mistakes(score.misses),
        "false_alarms": _mistakes(score.false_alarms),
    }


def _pair(pair: ClassPair, names: Sequence[str]) -> dict[str, Any]:
    return {
        "first": names[pair.first],
        "second": names[pair.second],
        "labelled": pair.labelled,
        "predicted": pair.predicted,
        "confused": pair.confused,
    }


def _mistakes(mistakes: Sequence[LabelMistake]) -> list[dict[str, Any]]:
    return [{**plain.path(mistake.path), "probability": mistake.probability} for mistake in mistakes]
