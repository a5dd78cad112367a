"""Evaluations and comparisons as JSON; shares are fractions from 0 to 1."""

import json
from collections.abc import Sequence
from typing import Any

from cnncli.records.evaluation import Average, Change, Comparison, Coverage, Estimate, Evaluation, TopAccuracy
from cnncli.text import is_percent_encoded, path_text

_MISTAKES = 50
"""Number of mistakes listed, the most confident first."""


def evaluation_json(evaluation: Evaluation) -> str:
    """Everything but the answers themselves, as one object."""
    return _dump(_document(evaluation))


def top_accuracy_json(result: TopAccuracy) -> str:
    """The accuracies where only the most probable classes are known."""
    accuracies = {"top1": result.top1, f"top{result.k}": result.topk}
    return _dump(
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
    return _dump(
        {
            "new": _document(comparison.new),
            "old": _document(comparison.old),
            "difference": _value(comparison.difference),
            "mcnemar_p_value": comparison.p_value,
            "both_correct": comparison.both_correct,
            "neither_correct": comparison.neither_correct,
            "gained": _changes(comparison.gained),
            "lost": _changes(comparison.lost),
        }
    )


def _document(evaluation: Evaluation) -> dict[str, Any]:
    images = len(evaluation.answers)
    document = {
        "model": path_text(evaluation.model),
        "data": path_text(evaluation.data),
        "split": evaluation.split,
        "split_source": path_text(evaluation.split_source),
        "images": images,
        "top1": evaluation.top1.share,
        "top1_interval": [evaluation.top1.low, evaluation.top1.high],
        "top5": evaluation.top5.share,
        "top5_interval": [evaluation.top5.low, evaluation.top5.high],
        "loss": evaluation.loss,
        "calibration_error": evaluation.calibration_error,
        "macro": _average(evaluation.macro),
        "weighted": _average(evaluation.weighted),
        "classes": _classes(evaluation),
        "confusion_matrix": _confusion_matrix(evaluation),
        "calibration": _bins(evaluation),
        "coverage": [_coverage(point, images) for point in evaluation.coverage],
        "mistakes": _mistakes(evaluation),
        "unreadable": [{**_path(record.path), "reason": record.reason} for record in evaluation.unreadable],
        "remarks": [path_text(remark) for remark in evaluation.remarks],
    }
    point = evaluation.at_threshold
    return document | ({"threshold": _coverage(point, images)} if point else {})


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


def _bins(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "low": bin_.low,
            "high": bin_.high,
            "images": bin_.images,
            "confidence": bin_.confidence,
            "accuracy": bin_.accuracy,
        }
        for bin_ in evaluation.bins
    ]


def _mistakes(evaluation: Evaluation) -> list[dict[str, Any]]:
    names = evaluation.class_names
    return [
        {
            **_path(answer.path),
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
            **_path(change.path),
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


def _average(average: Average) -> dict[str, Any]:
    return {name: _value(getattr(average, name)) for name in ("precision", "recall", "f1")}


def _value(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _path(path: str) -> dict[str, str]:
    encoded = {"path_encoding": "percent"} if is_percent_encoded(path) else {}
    return {"path": path_text(path)} | encoded


def _dump(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
