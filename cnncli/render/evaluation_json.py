"""Evaluations and comparisons as JSON; shares are fractions from 0 to 1."""

import json
from collections.abc import Sequence
from typing import Any

from cnncli.records.evaluation import (
    Accuracy,
    Average,
    CalibrationBin,
    Change,
    Comparison,
    Coverage,
    Estimate,
    Evaluation,
    OthersEvaluation,
    TopAccuracy,
)
from cnncli.records.task_evaluation import TasksEvaluation
from cnncli.text import is_percent_encoded, path_text

_MISTAKES = 50
"""Number of mistakes listed, the most confident first."""


def evaluation_json(evaluation: Evaluation) -> str:
    """Everything but the answers themselves, as one object."""
    return dump(_document(evaluation))


def top_accuracy_json(result: TopAccuracy) -> str:
    """The accuracies where only the most probable classes are known."""
    accuracies = {"top1": result.top1, f"top{result.k}": result.topk}
    return dump(
        {
            "model": path_text(result.model),
            "data": path_text(result.data),
            "split": result.split,
            "split_source": path_text(result.split_source),
            "images": result.top1.images,
            "unreadable": result.unreadable,
            **{name: item.share for name, item in accuracies.items()},
            **{f"{name}_interval": [item.low, item.high] for name, item in accuracies.items()},
        }
    )


def comparison_json(comparison: Comparison) -> str:
    """Both evaluations, and the difference between them."""
    return dump(
        {
            "new": _document(comparison.new),
            "old": _document(comparison.old),
            "difference": estimate(comparison.difference),
            "mcnemar_p_value": comparison.p_value,
            "both_correct": comparison.both_correct,
            "neither_correct": comparison.neither_correct,
            "gained": _changes(comparison.gained),
            "lost": _changes(comparison.lost),
        }
    )


def _document(evaluation: Evaluation) -> dict[str, Any]:
    return {
        **origin(evaluation, len(evaluation.answers)),
        **metrics(evaluation),
        **notes(evaluation),
        **at_threshold(evaluation),
        **others(evaluation.others),
    }


def origin(result: Evaluation | TasksEvaluation, images: int) -> dict[str, Any]:
    """What was evaluated."""
    return {
        "model": path_text(result.model),
        "data": path_text(result.data),
        "split": result.split,
        "split_source": path_text(result.split_source),
        "images": images,
    }


def notes(result: Evaluation | TasksEvaluation) -> dict[str, Any]:
    """What was left out or is unexpected."""
    return {
        "unreadable": [{**path(record.path), "reason": record.reason} for record in result.unreadable],
        "remarks": [path_text(remark) for remark in result.remarks],
    }


def metrics(evaluation: Evaluation) -> dict[str, Any]:
    """All metrics of a network with one right class per image."""
    return {
        **accuracy("top1", evaluation.top1),
        **accuracy("top5", evaluation.top5),
        "loss": evaluation.loss,
        "calibration_error": evaluation.calibration_error,
        "macro": average(evaluation.macro),
        "weighted": average(evaluation.weighted),
        "classes": _classes(evaluation),
        "confusion_matrix": _confusion_matrix(evaluation),
        "calibration": bins(evaluation.bins),
        "coverage": [_coverage(point, len(evaluation.answers)) for point in evaluation.coverage],
        "mistakes": _mistakes(evaluation),
    }


def at_threshold(evaluation: Evaluation) -> dict[str, Any]:
    """Coverage at the requested threshold; empty if there is none."""
    point = evaluation.at_threshold
    return {"threshold": _coverage(point, len(evaluation.answers))} if point else {}


def others(result: OthersEvaluation | None) -> dict[str, Any]:
    """How well the images are told apart from others; empty where there are none."""
    if result is None:
        return {}
    figures = {
        "folder": path_text(result.folder),
        "images": result.rejected.images,
        "unreadable": result.unreadable,
        "method": result.method,
        "auroc": result.auroc,
        "unfamiliar": result.share,
        "threshold": result.threshold,
        **accuracy("known_kept", result.kept),
        **accuracy("others_rejected", result.rejected),
    }
    return {"others": figures}


def accuracy(name: str, value: Accuracy | None) -> dict[str, Any]:
    """A share of images under a name, and its interval."""
    return {
        name: value.share if value else None,
        f"{name}_interval": [value.low, value.high] if value else None,
    }


def _classes(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "name": evaluation.class_names[score.index],
            "index": score.index,
            "precision": score.precision,
            "recall": score.recall,
            "f1": score.f1,
            "support": score.support,
            "predicted": score.predicted,
        }
        for score in evaluation.classes
    ]


def _confusion_matrix(evaluation: Evaluation) -> list[dict[str, Any]]:
    names = evaluation.class_names
    return [
        {"label": names[cell.actual], "predicted": names[cell.predicted], "images": cell.images}
        for cell in evaluation.confusion_cells
    ]


def bins(parts: Sequence[CalibrationBin]) -> list[dict[str, Any]]:
    """Bins of predictions by probability."""
    return [
        {
            "low": bin_.low,
            "high": bin_.high,
            "images": bin_.images,
            "confidence": bin_.confidence,
            "accuracy": bin_.accuracy,
        }
        for bin_ in parts
    ]


def _mistakes(evaluation: Evaluation) -> list[dict[str, Any]]:
    names = evaluation.class_names
    return [
        {
            **path(answer.path),
            "label": names[answer.label],
            "predicted": names[answer.predicted],
            "probability": answer.probability,
            "label_probability": answer.label_probability,
        }
        for answer in evaluation.mistakes()[:_MISTAKES]
    ]


def _changes(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [
        {
            **path(change.path),
            "label": change.label,
            "old": change.old,
            "old_probability": change.old_probability,
            "new": change.new,
            "new_probability": change.new_probability,
        }
        for change in changes
    ]


def _coverage(point: Coverage, images: int) -> dict[str, Any]:
    return {
        "threshold": point.threshold,
        "images": point.images,
        "coverage": point.images / images,
        "accuracy": point.correct / point.images if point.images else None,
    }


def average(values: Average) -> dict[str, Any]:
    """Precision, recall and F1 with their intervals."""
    return {name: estimate(getattr(values, name)) for name in ("precision", "recall", "f1")}


def estimate(metric: Estimate) -> dict[str, float]:
    """A metric with its interval."""
    return {"value": metric.value, "low": metric.low, "high": metric.high}


def path(text: str) -> dict[str, str]:
    """A path as valid Unicode, and how it was made so."""
    encoded = {"path_encoding": "percent"} if is_percent_encoded(text) else {}
    return {"path": path_text(text)} | encoded


def dump(document: dict[str, Any]) -> str:
    """A document as text."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
